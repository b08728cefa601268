"""Names of folders that no two models share and that every file system takes."""

import hashlib
import os
from pathlib import PurePath

from models.artefact import ArtefactError

LONGEST = 120
"""Bytes of a folder's name; the strictest file systems in use allow about 140."""
LONGEST_PART, LONGEST_PATH = 255, 4000
"""Bytes of a part of a path, and of all of it, that Linux accepts."""
HASH_DIGITS = 10


def check_length(model: str) -> None:
    """Raise ArtefactError if a name is longer than the path of any file can be."""
    longest = max((len(os.fsencode(part)) for part in PurePath(model).parts), default=0)
    if longest > LONGEST_PART or len(os.fsencode(model)) > LONGEST_PATH:
        raise ArtefactError(f"no model is called {model[:40]}…: the name is too long for a folder")


def of_hub_id(hub_id: str) -> str:
    """Return the name of the folder of a hub id: `org--name`.

    The hub allows no `--` in an id, so two ids have two names; what has one nevertheless gets a hash.
    """
    return fitting(hub_id.replace("/", "--"), hub_id, is_ambiguous="/" in hub_id and "--" in hub_id)


def fitting(name: str, exact: str, *, is_ambiguous: bool = False) -> str:
    """Return a name if a visible folder can have it, otherwise its start and a hash of `exact`."""
    if name and not is_ambiguous and not name.startswith(".") and len(os.fsencode(name)) <= LONGEST:
        return name
    start = os.fsencode(name.strip(".-"))[: LONGEST - HASH_DIGITS - 1].decode(errors="ignore") or "model"
    return f"{start}~{hashlib.sha256(os.fsencode(exact)).hexdigest()[:HASH_DIGITS]}"
