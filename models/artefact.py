"""An artefact: a folder that holds one cross-encoder made ready to serve, sealed by its manifest.

The folder holds an ONNX graph, a `tokenizer.json` and `manifest.json`. The manifest names every file with its sha256
and is written last, so a folder with a manifest is whole. `load` believes nothing: a missing file, a changed byte or
a manifest of a newer format is an `ArtefactError` whose message a user can act on; older formats are read
(`manifest_formats.py`). What the graph itself looks like is checked by `session.py`, which alone opens it.
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec

from models.manifest_formats import NewerFormat, to_present

MANIFEST = "manifest.json"
Precision = Literal["fp32", "fp16", "int8"]
PrecisionChoice = Literal["auto", Precision]
"""What a user can ask for: a precision, or `auto` for the most suitable one on the device."""


class ArtefactError(Exception):
    """An artefact that cannot be served; the message says which file, what is wrong and what would be right."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the weights come from."""

    hub_id: str
    revision: str
    licence: str


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the folder as it was when the manifest was written."""

    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a prepared folder holds and how it is to be run."""

    name: str
    """The model's name as users type it."""
    architecture: str
    """The family of the checkpoint, as its config names it: `bert`, `xlm-roberta`, …"""
    precision: Precision
    max_tokens: int
    """The longest pair in tokens, special tokens included."""
    source: Source
    batchable: bool
    """False: a pair's score depends on its batch (dynamic int8), so pairs are run one at a time."""
    pad_token_id: int = 0
    """What fills a batch's shorter pairs, as the checkpoint's config names it."""
    format: Literal[2] = 2
    activation: Literal["sigmoid"] = "sigmoid"
    """What turns a logit into a relevance score."""
    graph: str = "model.onnx"
    tokenizer: str = "tokenizer.json"
    files: dict[str, SealedFile] = {}
    """Every file of the folder but the manifest; filled by `seal`."""
    tools: dict[str, str] = {}
    """Versions of what built the artefact, by package name."""
    parity: dict[str, Any] = {}
    """Measured agreement with the fp32 reference, as `models.prepare.verify.Verdict`."""


class Artefact(msgspec.Struct, frozen=True):
    """A checked folder: every file is there and is what the manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Digest of the names and sha256 of the sealed files: artefacts that share it are alike, byte for byte."""
        lines = (f"{name} {sealed.sha256}\n" for name, sealed in sorted(self.manifest.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def graph(self) -> Path:
        """The ONNX graph's path."""
        return self.folder / self.manifest.graph

    @property
    def tokenizer(self) -> Path:
        """The tokenizer.json's path."""
        return self.folder / self.manifest.tokenizer


def load(folder: Path) -> Artefact:
    """Read and check an artefact folder; raise ArtefactError for anything missing or changed."""
    if not folder.is_dir():
        raise ArtefactError(f"{folder} is not a folder: give a model's name (rerank models list) or an artefact folder")
    manifest = _read_manifest(folder / MANIFEST)
    for name in (manifest.graph, manifest.tokenizer):
        if name not in manifest.files:
            raise ArtefactError(f"{folder / MANIFEST} does not seal {name}: the folder is not a whole artefact")
    for name, sealed in manifest.files.items():
        _check_file(folder, name, sealed)
    return Artefact(folder, manifest)


def seal(folder: Path, manifest: Manifest) -> Artefact:
    """Record every file of the folder in the manifest and write it, last and atomically.

    The manifest's own `files` are replaced by what lies in the folder's graph, its tokenizer and every other regular
    file that belongs to the model (weights beside the graph); Markdown, Python and hidden files do not belong to it.
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


def _read_manifest(path: Path) -> Manifest:
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return msgspec.convert(to_present(raw), Manifest)
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing: the folder is not a prepared model") from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path} is not a manifest: {error}") from None
    except NewerFormat as error:
        raise ArtefactError(
            f"{path} has {error}: upgrade rerank-server, or prepare the model again with this version"
        ) from None


def _check_file(folder: Path, name: str, sealed: SealedFile) -> None:
    if PurePosixPath(name).name != name:
        raise ArtefactError(f"{folder / MANIFEST} seals {name!r}: only files directly in the folder may be named")
    path = folder / name
    if not path.is_file():
        raise ArtefactError(
            f"{path} is missing: the manifest seals it, so the folder is damaged; prepare the model again"
        )
    actual = _sealed(path)
    if actual != sealed:
        raise ArtefactError(
            f"{path} has changed since it was sealed: sha256 {actual.sha256[:12]}…, {actual.size_bytes} bytes, "
            f"not {sealed.sha256[:12]}…, {sealed.size_bytes} bytes; prepare the model again"
        )


def _sealed(path: Path) -> SealedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SealedFile(sha256=digest, size_bytes=path.stat().st_size)
