"""A checkpoint: the files of a model that are needed to make an artefact, all on this disk and hashed.

`gather` brings them from a repository (a folder, or the hub in `fetch.py`) in the order that costs least: what can be
refused is refused on names and small files, before the weights are brought.
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
    """A model's files, every one of them checked."""

    folder: Path
    """Holds config.json, tokenizer.json and the weights (or an ONNX graph)."""
    source: Source
    files: dict[str, str]
    """sha256 by file name, relative to the folder."""
    graph: Path | None
    """The ONNX graph, where one was asked for."""


class Repository(Protocol):
    """Where a checkpoint's files are brought from."""

    source: Source
    names: Mapping[str, str | None]
    """The sha256 that a file must have, None where it is not known, by name."""

    def reserve(self, names: list[str]) -> None:
        """Raise PrepareError if there is no room for these files."""

    def bring(self, name: str) -> Path:
        """Have a file here."""


class Folder:
    """Files that are on this disk already: the user's own checkpoint, or a snapshot in the hub's cache.

    The cache names a big file's blob after its sha256, so a snapshot can be checked; the user's own files cannot.
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
        """Nothing is written."""

    def bring(self, name: str) -> Path:
        """It is here."""
        return self.folder / name


def gather(repository: Repository, *, from_onnx: bool) -> Checkpoint:
    """Bring the small files and judge them, then the rest, and hash every one; raise PrepareError."""
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
    """Hash a file; one that differs from what the hub says is removed, so that the next run fetches it anew."""
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
