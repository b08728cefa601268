"""Fetches a known dataset's public originals: downloads, verifies and converts them, then moves the result into place.

A dataset is complete or absent: it is made in a temporary folder and then moved. Every original is compared with the
MD5 that its publisher states, and with the lock file's entry of an earlier fetch; if there is neither, its SHA-256 is
recorded and the user is told that only the first fetch vouches for it. Downloads made before a failure are kept. A
second process waits for the one that fetches the same dataset.
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.data import lock, originals
from bench.data.catalogue import KnownDataset, Source
from bench.data.download import Digests, download
from bench.data.files import is_dataset
from bench.errors import DataError
from bench.file_lock import FileLock

DOWNLOADS = ".downloads"


def fetch(
    entry: KnownDataset,
    to: Path,
    mirror: str | None = None,
    *,
    attempts: int = 3,
    wait_s: float = 2.0,
    say: Callable[[str], None] = print,
) -> Path:
    """Fetch the dataset of `entry` into the folder `to` and return the dataset's own folder.

    Args:
        entry: the dataset's catalogue entry.
        to: the folder that holds the datasets; created if missing.
        mirror: base URL of a mirror: a file is requested at `<mirror>/<dataset>/<file>`.
        attempts: attempts per file.
        wait_s: seconds before the second attempt.
        say: receives a line on how each file's hash was verified.

    Raises:
        DataError: a file could not be fetched or is not the expected one.
    """
    folder = to / entry.name
    if is_dataset(folder):
        return folder
    if not entry.sources:
        raise DataError(f"{entry.name} cannot be fetched: {entry.why_not}")
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{entry.name} cannot be stored in {to}: {error}") from error
    with FileLock(folder, f"another process is fetching {folder}: waiting for it", wait=say):
        if not is_dataset(folder):
            _fetch(entry, to, mirror, attempts, wait_s, say)
    return folder


def _fetch(
    entry: KnownDataset, to: Path, mirror: str | None, attempts: int, wait_s: float, say: Callable[[str], None]
) -> None:
    downloads = to / DOWNLOADS / entry.name
    try:
        downloads.mkdir(parents=True, exist_ok=True)
        digests = {}
        for source in entry.sources:
            url = f"{mirror.rstrip('/')}/{entry.name}/{source.file}" if mirror else source.url
            digests[source] = download(url, downloads / source.file, attempts, wait_s)
            _check(to, source, downloads / source.file, digests[source])
        _make(entry, downloads, to / entry.name)
        for source in entry.sources:
            say(f"{source.file}: {_pin(to, source, digests[source])}")
        shutil.rmtree(downloads)
    except OSError as error:
        raise DataError(f"{entry.name} cannot be stored in {to}: {error}") from error


def _check(to: Path, source: Source, file: Path, actual: Digests) -> None:
    """Compare a downloaded file with its known hashes; a wrong one is removed, so that the next fetch starts over."""
    pinned = lock.read(to).get(source.url)
    if source.md5 and actual.md5 != source.md5:
        wrong = f"its MD5 is {actual.md5}, but its publisher states {source.md5}"
    elif pinned and actual.sha256 != pinned.sha256:
        wrong = f"its SHA-256 is {actual.sha256}, but {lock.NAME} has {pinned.sha256} from {pinned.first_fetched_utc}"
    else:
        return
    file.unlink()
    raise DataError(f"{source.url} is not the expected file: {wrong}; it was removed")


def _make(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    """Make the dataset in a temporary folder and move it into place; unusable originals are removed."""
    beside = folder.with_name(f"{entry.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        originals.make(entry, downloads, beside)
    except DataError:
        shutil.rmtree(downloads)
        shutil.rmtree(beside)
        raise
    (beside / "SOURCE.txt").write_text(_source(entry), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)  # a folder without a corpus
    beside.rename(folder)


def _pin(to: Path, source: Source, digests: Digests) -> str:
    """Record the hash of a file fetched for the first time, and describe how the hash was verified."""
    pinned = lock.read(to).get(source.url)
    if not pinned:
        known_by = "published MD5" if source.md5 else "first fetch"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lock.pin(to, source.url, lock.Pin(digests.sha256, digests.bytes, known_by, now))
    if source.md5:
        return "matches the MD5 stated by its publisher"
    if pinned:
        return f"matches {lock.NAME}, recorded when it was first fetched on {pinned.first_fetched_utc}"
    return f"has no published hash; its SHA-256 {digests.sha256[:12]}… is now recorded in {lock.NAME}"


def _source(entry: KnownDataset) -> str:
    lines = [entry.origin, f"Licence: {entry.licence}", f"Labels: {entry.labels}"]
    lines += [f"Note: {entry.doubt}"] if entry.doubt else []
    return "\n".join([*lines, "Fetched from:", *(source.url for source in entry.sources)]) + "\n"
