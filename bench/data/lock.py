"""The lock file beside fetched data: what every original was when it was first fetched.

One JSON file, `fetched.lock.json`, in the folder that holds the sets: address to SHA-256, bytes and what it stands
on (the publisher's own MD5, or the first fetch alone). A later fetch of the same address, or of a mirror of it, must
give the same bytes; who keeps the file with the data, or copies it to another machine, keeps the same sets.
"""

from pathlib import Path

import msgspec

from bench.errors import DataError
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
    """The pins of `folder`, by address; none where there is no lock file yet."""
    file = folder / NAME
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{file} cannot be read: {error}; without it, the next fetch records new hashes") from error


def pin(folder: Path, url: str, entry: Pin) -> None:
    """Add one pin; the file is replaced whole."""
    pins = read(folder) | {url: entry}
    write_json(pins, folder / NAME)
