"""Read the files of a checkpoint; whatever goes wrong is one sentence with the file's name and the true cause.

A file can be unreadable, a folder, a pipe, a link to nothing, the pointer that Git LFS leaves in place of a large file,
or JSON that is no JSON. Libraries report some of these as errors of their own formats, and some not at all.
"""

import contextlib
import errno
import io
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from models.lfs_pointer import is_lfs_pointer
from models.prepare.errors import PrepareError

MARKS = {b"\xef\xbb\xbf": "UTF-8 with a byte order mark", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""The first bytes of text files that neither transformers nor tokenizers read."""

T = TypeVar("T")


def open_file(path: Path, what: str) -> io.BufferedReader:
    """Open a regular file for reading.

    Args:
        path: the file.
        what: its name in messages.

    Raises:
        PrepareError: it cannot be opened, or it is a Git LFS pointer.
    """
    with readable(path, what):
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise PrepareError(f"{what} is {'a folder' if path.is_dir() else 'not a regular file'}: a file is needed")
        file = path.open("rb")
        if not is_lfs_pointer(file):
            return file
        file.close()
    raise PrepareError(
        f"{what} is only a Git LFS pointer, not the file itself: "
        "install git-lfs and run git lfs pull where it was cloned, or download the file again"
    )


@contextlib.contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn the errors of reading a path into one sentence."""
    try:
        yield
    except OSError as error:
        raise PrepareError(f"{what} cannot be read: {cause(path, error)}") from error


def cause(path: Path, error: OSError) -> str:
    """Explain why a path cannot be read."""
    if error.errno == errno.ENOENT and path.is_symlink():
        return f"it is a link to {path.readlink()}, which does not exist"
    if error.errno == errno.EACCES and not os.access(path.parent, os.X_OK):
        return f"{error.strerror}; the folder {path.parent} may not be entered (it needs the permission x)"
    if error.errno == errno.EACCES:
        return f"{error.strerror}; give this user the permission to read {path}"
    return error.strerror or str(error)


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file as transformers does; raise PrepareError with the cause, without a prefix, if it is none.

    Raises:
        PrepareError: the file cannot be read; the message begins with `what`.
        ValueError: its content is not JSON; the message is the cause only.
    """
    with readable(path, what), open_file(path, what) as file:
        content = file.read()
    if not content.strip():
        raise ValueError("it is empty")
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"it is {encoding}; save it as plain UTF-8")
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_struct(path: Path, what: str, kind: type[T]) -> T:
    """Read a JSON file of a known structure; raise PrepareError if it cannot be read or has another one."""
    try:
        return msgspec.convert(read_json(path, what), kind)
    except ValueError as error:  # msgspec's ValidationError is one
        raise PrepareError(f"{what} cannot be read ({error}): the checkpoint is damaged") from None


def read_count(fields: dict[str, Any], name: str, path: Path) -> int | None:
    """Return a field that is a whole number, such as a length in tokens; None if it is absent, null, 0 or infinite.

    Raises:
        PrepareError: it is something else; the message names the file, the field and the value.
    """
    value = fields.get(name)
    if value is None or value == math.inf:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0 or value != int(value):
        shown = json.dumps(value)[:80]
        raise PrepareError(f"{path}: {name} is {shown}, which is not a whole number: correct it or remove the line")
    return int(value) or None
