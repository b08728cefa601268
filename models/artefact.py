"""An artefact: a folder with one cross-encoder that is ready to serve, sealed by its manifest.

The folder contains an ONNX graph, a `tokenizer.json` and `manifest.json`. The manifest lists every file with its sha256
and is written last, so a folder with a manifest is complete. `load` checks everything: a missing file, a changed byte
or a manifest of a newer format raises an `ArtefactError` whose message a user can act on. Older formats are still read
(`manifest_formats.py`). The graph itself is checked by `session.py`, the only module that opens it.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from models.lfs_pointer import is_lfs_pointer
from models.manifest_formats import NewerFormat, to_present
from models.wording import counted

MANIFEST = "manifest.json"
LOCAL = "local"
"""The revision of weights that come from a folder of the user's."""
Precision = Literal["fp32", "fp16", "int8"]
PrecisionChoice = Literal["auto", Precision]
"""The values of the precision setting: a precision, or `auto` for the most suitable one on the device."""


class ArtefactError(Exception):
    """An artefact cannot be served; the message says which file is at fault, what is wrong and how to fix it."""


class OptionError(ArtefactError):
    """A model cannot be used with one of the caller's options; `named` says so in the caller's own words."""

    NAME = "{option}"
    """Stands for the name of the option in the message."""

    def __init__(self, option: str, message: str) -> None:
        """Make the error.

        Args:
            option: the parameter of `LoadedModel.open` or `store.find`, such as `max_tokens`.
            message: the message, in which `NAME` may stand for the name of the option.
        """
        self.option = option
        self._message = message
        super().__init__(message.replace(self.NAME, f"--{option.replace('_', '-')}"))

    def named(self, name: str) -> str:
        """Return the message with the name by which the user gave the option, such as RERANK_MAX_TOKENS."""
        message = self._message
        return message.replace(self.NAME, name) if self.NAME in message else f"{name}: {message}"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of the weights."""

    hub_id: str
    """The id on the hub; for a local checkpoint the name of its folder."""
    revision: str
    """The commit on the hub; LOCAL for a local checkpoint."""
    licence: str

    @property
    def is_local(self) -> bool:
        """Whether the weights come from a folder, whose name may be that of a model of the hub."""
        return self.revision == LOCAL


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The sha256 and size of one file when the manifest was written."""

    sha256: str
    size_bytes: int


class FileStamp(msgspec.Struct, frozen=True, kw_only=True):
    """What the file system says about a file. While all of it stays the same, so do the bytes.

    A program can set the time of modification back, but neither the time of change nor the inode of another file.
    """

    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """What an artefact was prepared from, and with which options."""

    model: str
    """The hub id, or the absolute path of the local checkpoint."""
    revision: str
    """The branch, tag or commit as it was asked for; LOCAL for a local checkpoint."""
    from_onnx: bool
    """Whether the repository's own ONNX graph was used."""
    model_max_tokens: int
    """The model's own context window, of which `max_tokens` may be a part; 0 if it is not known."""
    own_pairs: bool
    """Whether the user gave the pairs for the verification. Their digest is part of the reference."""
    own_published: bool
    """Whether the user gave the published scores."""
    files: dict[str, FileStamp] = {}
    """The files of a local checkpoint by name. Their sha256 is part of the reference."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a prepared folder and the facts needed to run it."""

    name: str
    """The model's name as users type it."""
    architecture: str
    """The checkpoint's `model_type`: `bert`, `xlm-roberta`, …"""
    precision: Precision
    max_tokens: int
    """The context window: the longest pair in tokens, including special tokens."""
    source: Source
    batchable: bool
    """Whether pairs may share a batch. False if a pair's score depends on its batch, as with dynamic int8."""
    pad_token_id: int = 0
    """The token that pads the shorter pairs of a batch, from the checkpoint's config."""
    format: Literal[2] = 2
    activation: Literal["sigmoid"] = "sigmoid"
    """The function that turns a logit into a relevance score."""
    graph: str = "model.onnx"
    tokenizer: str = "tokenizer.json"
    files: dict[str, SealedFile] = {}
    """Every file of the folder except the manifest; filled in by `seal`."""
    tools: dict[str, str] = {}
    """Versions of the packages that built the artefact, by name."""
    parity: dict[str, Any] = {}
    """Measured agreement with the fp32 reference: a `models.prepare.verify.Verdict` as built-in types."""
    preparation: Preparation | UnsetType = UNSET
    """UNSET in the embedded model and in artefacts of versions that did not record it."""


class Artefact(msgspec.Struct, frozen=True):
    """A checked artefact folder: every file exists and matches the manifest."""

    folder: Path
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """A digest of the sealed files' names and contents; equal digests mean byte-identical artefacts."""
        lines = (f"{name} {sealed.sha256}\n" for name, sealed in sorted(self.manifest.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def graph(self) -> Path:
        """The path of the ONNX graph."""
        return self.folder / self.manifest.graph

    @property
    def tokenizer(self) -> Path:
        """The path of tokenizer.json."""
        return self.folder / self.manifest.tokenizer


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turn an error of the disk into an ArtefactError that names the path and the reason."""
    try:
        yield
    except OSError as error:
        raise ArtefactError(f"{error.filename} cannot be read: {error.strerror}") from error


@readable()
def load(folder: Path) -> Artefact:
    """Read and check an artefact folder; raise ArtefactError if anything is missing or changed."""
    if not folder.is_dir():
        raise ArtefactError(f"{folder} is not a folder: give a model's name (rerank models list) or an artefact folder")
    manifest = read_manifest(folder)
    for name in (manifest.graph, manifest.tokenizer):
        if name not in manifest.files:
            raise ArtefactError(
                f"{folder / MANIFEST} does not list {name}: the artefact is incomplete; prepare the model again"
            )
    for name, sealed in manifest.files.items():
        _check_file(folder, name, sealed)
    return Artefact(folder, manifest)


def seal(folder: Path, manifest: Manifest) -> Artefact:
    """Record every file of the model in the manifest and write the manifest atomically.

    The manifest's `files` are replaced by all regular files in the folder, such as the graph, external weights and the
    tokenizer, except Markdown, Python and hidden files.
    """
    names = sorted(p.name for p in folder.iterdir() if _belongs(p))
    files = {name: _sealed(folder / name) for name in names}
    sealed = msgspec.structs.replace(manifest, files=files)
    text = msgspec.json.format(msgspec.json.encode(sealed), indent=2)
    partial = folder / f".{MANIFEST}.{os.getpid()}"
    partial.write_bytes(text + b"\n")
    partial.replace(folder / MANIFEST)
    return load(folder)


def _belongs(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.is_file() and not hidden and path.name != MANIFEST and path.suffix not in {".md", ".py"}


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artefact folder without checking the files that it lists; raise ArtefactError."""
    path = folder / MANIFEST
    try:
        _refuse_lfs_pointer(path)
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return msgspec.convert(to_present(raw), Manifest)
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing: {path.parent} is not a prepared model") from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path} is not a valid manifest: {error}") from None
    except NewerFormat as error:
        raise ArtefactError(
            f"{path} has {error}: upgrade rerank-server or prepare the model again with this version"
        ) from None


class _Made(msgspec.Struct):
    model: str
    from_onnx: bool = False


class Head(msgspec.Struct):
    """The fields of a manifest by which a model is found."""

    precision: str
    source: Source | None = None
    preparation: _Made | None = None

    @property
    def made_from(self) -> str | None:
        """The hub id or the folder from which the model was prepared; None if it is not recorded."""
        if self.preparation is not None:
            return self.preparation.model
        return None if self.source is None or self.source.is_local else self.source.hub_id

    @property
    def from_onnx(self) -> bool:
        """Whether it is recorded that the model was prepared from the repository's own ONNX graph."""
        return self.preparation is not None and self.preparation.from_onnx


def read_head(folder: Path) -> Head | None:
    """Read the head of an artefact folder's manifest; None if it is damaged, so that `load` can say what is wrong."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Head)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _check_file(folder: Path, name: str, sealed: SealedFile) -> None:
    if PurePosixPath(name).name != name:
        raise ArtefactError(f"{folder / MANIFEST} lists {name!r}, but only files directly in the folder are allowed")
    path = folder / name
    if not path.is_file():
        raise ArtefactError(
            f"{path} is missing, although the manifest lists it: the artefact is damaged; prepare the model again"
        )
    actual = _sealed(path)
    if actual != sealed:
        _refuse_lfs_pointer(path)
        raise ArtefactError(
            f"{path} has changed since it was sealed: sha256 {actual.sha256[:12]}…, "
            f"{counted(actual.size_bytes, 'byte')}, "
            f"but the manifest says {sealed.sha256[:12]}…, {counted(sealed.size_bytes, 'byte')}; prepare the model "
            f"again"
        )


def _refuse_lfs_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if is_lfs_pointer(file):
            raise ArtefactError(
                f"{path} is only a Git LFS pointer, not the file itself: "
                "install git-lfs and run git lfs pull where it was cloned"
            )


def _sealed(path: Path) -> SealedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SealedFile(sha256=digest, size_bytes=path.stat().st_size)
