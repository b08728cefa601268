"""A checkpoint: the files of a model that are needed to make an artefact, on the local disk and hashed.

`gather` gets them from a repository (a folder, or the hub in `fetch.py`). It checks file names and small files first,
so that an unsuitable model is rejected before its weights are downloaded.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from models.artefact import FileStamp, Source
from models.prepare.checkpoint_files import CONFIG, GRAPHS, MODULES, Needed, check_config, check_modules, needed, shards
from models.prepare.errors import PrepareError
from models.prepare.reading import open_file, readable

FOLDERS = ("", "onnx")
"""The folders of a repository that hold files which are read here."""
FILES = (".json", ".safetensors", ".onnx")
"""A folder whose name ends so stands where a file is needed; reading it gives the message."""
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
        with readable(folder, str(folder)):
            names = [name for part in FOLDERS for name in _file_names(folder, part)]
        self.names: Mapping[str, str | None] = {
            name: _blob_sha256(folder / name) if snapshot else None for name in names
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
    if MODULES in repository.names:
        check_modules(repository.bring(MODULES), what)
    names = with_shards(repository, picked)
    repository.reserve(names)
    paths = {name: repository.bring(name) for name in names}
    stamps = _stamps(paths, what) if repository.source.is_local else {}
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


def _stamps(paths: Mapping[str, Path], what: str) -> dict[str, FileStamp]:
    stamps = {}
    for name, path in paths.items():
        with readable(path, f"{what}: {name}"):
            stamps[name] = stamp(path)
    return stamps


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
    with readable(path, what), open_file(path, what) as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is None or actual == expected:
        return actual
    damage = f"{what} is damaged (sha256 {actual[:12]}…, the hub says {expected[:12]}…) and"
    try:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PrepareError(
            f"{damage} cannot be removed ({error.strerror}): delete {path.resolve()}, or set HF_HOME to another folder"
        ) from error
    raise PrepareError(f"{damage} has been removed: prepare the model again to download it again")


def _file_names(folder: Path, part: str) -> list[str]:
    """List the files directly in a part of a folder, also those that cannot be read."""
    try:
        entries = list(os.scandir(folder / part))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        if not part:
            raise
        return [GRAPHS[0]]  # reading it gives the message, if it is needed
    return [f"{part}/{entry.name}".lstrip("/") for entry in entries if _may_be_read(entry)]


def _may_be_read(entry: "os.DirEntry[str]") -> bool:
    with contextlib.suppress(OSError):  # a link in a circle: reading it gives the message
        return not entry.is_dir() or entry.name.endswith(FILES)
    return True


def _blob_sha256(path: Path) -> str | None:
    name = Path(os.path.realpath(path)).name  # unlike resolve, it does not fail on links in a circle
    return name if SHA256.fullmatch(name) else None
