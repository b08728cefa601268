"""The lock file of fetched data: the hash of every original when it was first fetched.

One JSON file, `fetched.lock.json`, in the folder that holds the datasets: address to SHA-256, size and verification
(the publisher's own MD5, or the first fetch alone). A later fetch of the same address, or of a mirror, must return the
same bytes. Copy the lock file to another machine to get the same datasets there.
"""

from pathlib import Path

import msgspec

from bench.errors import DataError
from bench.file_lock import FileLock
from bench.storage import write_json

NAME = "fetched.lock.json"


class Pin(msgspec.Struct, frozen=True):
    """One original as it was first fetched."""

    sha256: str
    bytes: int
    known_by: str
    """`published MD5` or `first fetch`."""
    first_fetched_utc: str


def read(folder: Path) -> dict[str, Pin]:
    """Return the entries of the lock file in `folder` by address; empty if there is no lock file yet."""
    file = folder / NAME
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{file} cannot be read: {error}; without it, the next fetch records new hashes") from error


def pin(folder: Path, url: str, entry: Pin) -> None:
    """Add one entry; the file is replaced atomically, and the entries of another process are kept."""
    file = folder / NAME
    with FileLock(file, f"another process is writing to {file}: waiting for it", wait=lambda _: None):
        write_json(read(folder) | {url: entry}, file)
