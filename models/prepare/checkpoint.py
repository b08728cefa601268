"""A checkpoint: the files of a model that are needed to make an artefact, on the local disk and hashed.

`gather` gets them from a repository (a folder, or the hub in `fetch.py`). It checks file names and small files first,
so that an unsuitable model is rejected before its weights are downloaded.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from models.artefact import FileStamp, Source
from models.prepare.checkpoint_files import CONFIG, Needed, check_config, needed, shards
from models.prepare.errors import PrepareError

SHA256 = re.compile(r"[0-9a-f]{64}")


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The checked files of a model."""

    folder: Path
    """The folder with config.json, tokenizer.json and the weights (or an ONNX graph)."""
    source: Source
    files: dict[str, str]
    """sha256 by file name, relative to the folder."""
    graph: Path | None
    """The ONNX graph, if the model is prepared from one."""
    stamps: dict[str, FileStamp] = {}
    """The stamp of each file, taken before it was hashed; only for local checkpoints."""


class Repository(Protocol):
    """A source of a checkpoint's files."""

    source: Source
    names: Mapping[str, str | None]
    """The expected sha256 of each file by name; None if it is unknown."""

    def reserve(self, names: list[str]) -> None:
        """Raise PrepareError if the disk has no room for these files."""

    def bring(self, name: str) -> Path:
        """Get a file onto the local disk and return its path."""


class Folder:
    """Files that are already on the local disk: the user's own checkpoint, or a snapshot in the hub's cache.

    The cache names large files after their sha256, so a snapshot can be checked; the user's own files cannot.
    """

    def __init__(self, folder: Path, source: Source, *, snapshot: bool = False) -> None:
        self.folder = folder
        self.source = source
        self.names: Mapping[str, str | None] = {
            path.relative_to(folder).as_posix(): _blob_sha256(path) if snapshot else None
            for path in folder.rglob("*")
            if path.is_file()
        }

    def reserve(self, names: list[str]) -> None:
        """Do nothing: no file is written."""

    def bring(self, name: str) -> Path:
        """Return the path of the file, which is local already."""
        return self.folder / name


def gather(repository: Repository, *, from_onnx: bool) -> Checkpoint:
    """Get and check the small files, then get the others, and hash every file; raise PrepareError."""
    what = repository.source.hub_id
    picked = needed(repository.names, what, from_onnx=from_onnx)
    if not from_onnx:
        check_config(repository.bring(CONFIG), what, repository.names)
    names = with_shards(repository, picked)
    repository.reserve(names)
    paths = {name: repository.bring(name) for name in names}
    stamps = {name: stamp(path) for name, path in paths.items()} if repository.source.is_local else {}
    return Checkpoint(
        folder=paths[picked.names[0]].parent,
        source=repository.source,
        files={name: _checked(path, repository.names[name], f"{what}: {name}") for name, path in paths.items()},
        graph=paths[picked.graph] if picked.graph is not None else None,
        stamps=stamps,
    )


def with_shards(repository: Repository, picked: Needed) -> list[str]:
    """List the files that were picked, with the shards of the weights; raise PrepareError if one is missing."""
    if picked.index is None:
        return list(picked.names)
    return picked.names + shards(repository.bring(picked.index), repository.names, repository.source.hub_id)


def stamp(path: Path) -> FileStamp:
    """Take the marks by which an unchanged file is recognised without being read; raise OSError."""
    status = path.stat()
    return FileStamp(
        size_bytes=status.st_size, modified_ns=status.st_mtime_ns, changed_ns=status.st_ctime_ns, inode=status.st_ino
    )


def sha256(path: Path) -> str:
    """Hash a file; raise OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, expected: str | None, what: str) -> str:
    """Hash a file; if its hash differs from the hub's, remove it so that the next run downloads it again."""
    actual = sha256(path)
    if expected is not None and actual != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise PrepareError(
            f"{what} is damaged (sha256 {actual[:12]}…, the hub says {expected[:12]}…) and has been removed: "
            f"prepare the model again to download it again"
        )
    return actual


def _blob_sha256(path: Path) -> str | None:
    name = path.resolve().name
    return name if SHA256.fullmatch(name) else None
