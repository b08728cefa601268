"""Lines of a text file in UTF-8, each with its location; a file in another form is named, with what to do.

A byte-order mark and the line endings of Windows and of the old Mac are allowed. A compressed file, UTF-16 or the
pointer of Git LFS would otherwise be thousands of unreadable lines.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.data.findings import Findings, Kind
from bench.errors import DataError

OTHER_FORMS = (
    (rb"\x1f\x8b", "is compressed with gzip: decompress it with `gunzip`"),
    (rb"BZh[1-9]1AY&SY", "is compressed with bzip2: decompress it with `bunzip2`"),
    (rb"\xfd7zXZ\0", "is compressed with xz: decompress it with `unxz`"),
    (rb"\x28\xb5\x2f\xfd", "is compressed with Zstandard: decompress it with `unzstd`"),
    (rb"PK\x03\x04", "is a ZIP archive: unpack it with `unzip`"),
    (rb"PAR1", "is a Parquet file: its name must end in .parquet"),
    (rb"version https://git-lfs", "is a pointer of Git LFS: download the file itself with `git lfs pull`"),
    (rb"(?i)\s*<(!doctype html|html)", "is an HTML page, not the data: download the file itself"),
)
"""What the first bytes of a file tell, and what the user can do about it."""


def numbered_lines(file: Path, findings: Findings | None = None) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file that are not empty, each with its location "file line n" for messages.

    A file or a line that is not UTF-8 is a finding if `findings` is given, otherwise a DataError.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    form = other_form(content)
    if form is not None:
        _add(findings, Kind.NOT_TEXT, f"{file} {form}")
        return
    content = content.removeprefix(b"\xef\xbb\xbf")
    for number, raw in enumerate(content.split(b"\n" if b"\n" in content else b"\r"), start=1):
        location = f"{file} line {number}"
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            _add(findings, Kind.UNREADABLE, f"{location}: invalid UTF-8 at byte {error.start + 1} of the line")
            continue
        if line.strip():
            yield location, line


def other_form(content: bytes) -> str | None:
    """Return what a file is, if it is not text in UTF-8, and what the user can do about it."""
    form = next((words for magic, words in OTHER_FORMS if re.match(magic, content)), None)
    encoding = json.detect_encoding(content[:4])
    if form is None and not encoding.startswith("utf-8"):
        name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
        form = f"is in {name}, not in UTF-8: convert it with `iconv -f {name} -t UTF-8`"
    return form


def _add(findings: Findings | None, kind: Kind, sentence: str) -> None:
    if findings is None:
        raise DataError(sentence)
    findings.add(kind, sentence)
