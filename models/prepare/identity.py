"""Whether an artefact comes from the checkpoint that its user means.

The name of a folder does not tell: two folders can have one name, a checkpoint can be trained further in place, and a
folder can be called like a model of the hub. So the artefact records its origin, and the reference in it the sha256 of
every file of the checkpoint. The files of a local checkpoint are hashed again only if their stamps have changed.
"""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import UNSET

from models.artefact import ArtefactError, FileStamp, Manifest, read_manifest
from models.prepare import reference
from models.prepare.checkpoint import Folder, sha256, stamp, with_shards
from models.prepare.checkpoint_files import needed
from models.prepare.errors import PrepareError
from models.prepare.origin import Origin, implied_origin

SHOWN = 12
"""The number of characters of a sha256 or a commit that a message shows."""


class Difference(NamedTuple):
    """One thing in which an artefact differs from what is asked for."""

    there: str
    asked: str

    def __str__(self) -> str:
        return f"{self.there}, not {self.asked}"


class Sealed(NamedTuple):
    """An artefact's folder, and what is recorded in it of its origin."""

    folder: Path
    manifest: Manifest
    reference: reference.Reference | None
    """None if the artefact was not made by `rerank models prepare`."""

    @classmethod
    def read(cls, folder: Path) -> "Sealed":
        """Read an artefact's records without checking its graph; raise ArtefactError."""
        try:
            found = reference.read(folder)
        except PrepareError:
            found = None
        return cls(folder, read_manifest(folder), found)

    @property
    def from_onnx(self) -> bool:
        """Whether the repository's own ONNX graph was used; versions that did not record it listed the graph."""
        if self.manifest.preparation is not UNSET:
            return self.manifest.preparation.from_onnx
        return self.reference is not None and any(name.endswith(".onnx") for name in self.reference.checkpoint)


def require_origin(folder: Path, model: str) -> None:
    """Check that an artefact, which was found for a model, comes from where the model's name says.

    Raises:
        ArtefactError: it comes from elsewhere, or its checkpoint has changed; the message names the difference.
    """
    origin = implied_origin(model)
    if origin is None:
        return
    sealed = Sealed.read(folder)
    if sealed.manifest.preparation is UNSET and not sealed.manifest.source.is_local:
        return  # without a record, only a user can have put another model of the hub under this name
    differences = list(compare_place(sealed, origin)) or list(compare_files(sealed, origin))
    if differences:
        command = f"rerank models prepare {shlex.quote(model)} --precision {sealed.manifest.precision} --force"
        raise ArtefactError(describe(folder, differences, f"`{command}`"))


def describe(folder: Path, differences: Sequence[Difference], remedy: str) -> str:
    """Return the sentence that names the differences and how the artefact is replaced."""
    return f"{folder} was {listing(differences)}: {remedy} replaces it, and another --models-dir keeps both"


def listing(differences: Sequence[Difference]) -> str:
    """Join differences to one clause that follows "was"."""
    return "; it was ".join(map(str, differences))


def compare_place(sealed: Sealed, origin: Origin) -> Iterator[Difference]:
    """Compare the repository or the folder of the weights, but neither a commit nor files."""
    source, record = sealed.manifest.source, sealed.manifest.preparation
    if record is not UNSET:
        there = record.model
    elif source.is_local:  # versions without a record kept only the name of the folder
        there = "a local checkpoint" if origin.folder is None else origin.model
    else:
        there = source.hub_id
    if there != origin.model:
        yield Difference(f"prepared from {there}", f"from {origin.model}")


def compare_files(sealed: Sealed, origin: Origin) -> Iterator[Difference]:
    """Compare the files of a local checkpoint with those from which the artefact was prepared.

    Raises:
        PrepareError: the checkpoint is incomplete or cannot be read.
    """
    if origin.folder is None or sealed.reference is None:
        return
    folder, repository = origin.folder, Folder(origin.folder, origin.source)
    recorded, record = sealed.reference.checkpoint, sealed.manifest.preparation
    stamps = {} if record is UNSET else record.files
    present = with_shards(repository, needed(repository.names, str(folder), from_onnx=sealed.from_onnx))
    for name in sorted(recorded.keys() | present):
        if name not in present:
            yield Difference(f"prepared with {name}", "without it")
        elif name in recorded:
            now = _present_sha256(folder / name, stamps.get(name), recorded[name])
            if now != recorded[name]:
                yield Difference(
                    f"prepared from {name} with sha256 {recorded[name][:SHOWN]}…", f"the present {now[:SHOWN]}…"
                )
        elif record is not UNSET:  # versions without a record may not have read this file
            yield Difference(f"prepared without {name}", "with it")


def _present_sha256(path: Path, then: FileStamp | None, sha256_then: str) -> str:
    """Hash a file, unless its stamp says that it is unchanged."""
    try:
        return sha256_then if stamp(path) == then else sha256(path)
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error.strerror}") from None
