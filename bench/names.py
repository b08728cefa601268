"""File names made from the names of contestants, datasets, judges and profiles, in any script.

A plain name (ASCII letters, digits, `.`, `_` and `-`) is its own file name. Any other name becomes its letters and
digits, then `~` and a hash of the exact name: `a/b` and `a b`, `é` in two Unicode forms, and two Chinese names all get
files of their own. Earlier versions folded names (`a/b` into `a-b`), and some file systems ignore case, so `own_path`
also looks into the file: each one names its owner.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from bench.errors import BenchError

LONGEST = 120
"""Bytes of a file name without its ending; the strictest file systems in use allow about 140 in all."""
LONGEST_EARLIER = 200
HASH_DIGITS = 10
PLAIN = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST - 2}}}(?<![.])")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, where a results folder may be copied to."""
FOLDED = re.compile(r"[^A-Za-z0-9._-]+")
UNWRITABLE = ("Cc", "Cs")
"""Unicode categories: control characters, and what stands for bytes that are not UTF-8."""
IsOwn = Callable[[Path], bool | None]
"""Tells whether a file belongs to a name; None if the file does not say."""


def typed_name(name: str) -> str:
    """Return a name as typed in one Unicode form, without spaces at its ends.

    Raises:
        BenchError: no table or file could hold it.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if any(unicodedata.category(character) in UNWRITABLE for character in name):
        raise BenchError(f"the name {name!r} contains a control character or bytes that are not UTF-8; leave them out")
    return name


def file_name(name: str) -> str:
    """Return the file name of a name, without an ending; no two names have the same."""
    return name if PLAIN.fullmatch(name) and not RESERVED.fullmatch(name) else hashed_name(name)


def hashed_name(name: str, exact: str | None = None) -> str:
    """Return the readable part of a name, `~`, and a hash of the name, or of `exact` if two things share the name."""
    readable = "".join(
        character if _is_readable(character) else " " for character in unicodedata.normalize("NFC", name)
    )
    words = "-".join(readable.split()).lstrip(".-")
    words = f"_{words}" if RESERVED.fullmatch(words) else words
    digest = hashlib.sha256((name if exact is None else exact).encode("utf-8", "surrogatepass")).hexdigest()
    cut = words.encode()[: LONGEST - HASH_DIGITS - 1].decode(errors="ignore")
    return f"{cut or 'name'}~{digest[:HASH_DIGITS]}"


def page_name(*names: str) -> str:
    """Return the file name of the page of one or several things, without an ending.

    Unlike `file_name`, it is different for names that differ in case only, because a site's files are written together
    and never looked into.
    """
    joined = "--".join(names)
    is_one_way = len(names) == 1 or not any("--" in f"{name}-" for name in names)
    is_plain = is_one_way and joined == file_name(joined).lower()
    return joined if is_plain else hashed_name(joined, "\0".join(names))


def own_path(folder: Path, name: str, ending: str, is_own: IsOwn, exact: str | None = None) -> Path:
    """Return the path in `folder` of the file that belongs to a name, whether it exists yet or not.

    Args:
        folder: the folder of the file.
        name: the name as the user knows it.
        ending: the ending of the file's name; empty for a folder.
        is_own: tells whether an existing file belongs to the name.
        exact: what is named, if two things can share the name.
    """
    first, second, earlier = (
        folder / f"{each}{ending}" for each in (file_name(name), hashed_name(name, exact), folded_name(name))
    )
    for path in (first, second, earlier):
        if path.exists() and is_own(path):
            return path
    return second if first.exists() and is_own(first) is False else first


def folded_name(name: str) -> str:
    """Return the file name that earlier versions gave to a name, which other names may share."""
    return (FOLDED.sub("-", name).lstrip(".-") or "-")[:LONGEST_EARLIER]


def _is_readable(character: str) -> bool:
    """Tell whether a character stays: letters, their accents and vowel signs, digits, and what a plain name has."""
    return unicodedata.category(character)[0] in "LMN" or character in "._-"
