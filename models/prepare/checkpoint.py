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

from models.artefact import Source
from models.prepare.checkpoint_files import CONFIG, check_config, needed, shards
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
    names = list(picked.names)
    if not from_onnx:
        check_config(repository.bring(CONFIG), what, repository.names)
    if picked.index is not None:
        names += shards(repository.bring(picked.index), repository.names, what)
    repository.reserve(names)
    paths = {name: repository.bring(name) for name in names}
    return Checkpoint(
        folder=paths[picked.names[0]].parent,
        source=repository.source,
        files={name: _checked(path, repository.names[name], f"{what}: {name}") for name, path in paths.items()},
        graph=paths[picked.graph] if picked.graph is not None else None,
    )


def _checked(path: Path, expected: str | None, what: str) -> str:
    """Hash a file; if its hash differs from the hub's, remove it so that the next run downloads it again."""
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
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
