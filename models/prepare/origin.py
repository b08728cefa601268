"""The origin of a model's weights, as a user names it: a repository of the hub, or a folder with a checkpoint."""

from pathlib import Path
from typing import NamedTuple

from models.artefact import LOCAL, Source
from models.catalogue import card_of
from models.prepare.errors import PrepareError
from models.prepare.reading import readable
from models.store import HUB_ID, PATH_STARTS, is_checkpoint

UNKNOWN = "unknown"
DEFAULT_REVISION = "main"


class Origin(NamedTuple):
    """A repository of the hub at a revision, or a local checkpoint."""

    source: Source
    """The revision is the one that was asked for: a branch, a tag or a commit."""
    folder: Path | None = None
    """The absolute path of the local checkpoint, without symbolic links."""

    @property
    def model(self) -> str:
        """The hub id, or the path of the local checkpoint."""
        return self.source.hub_id if self.folder is None else str(self.folder)


def origin_of(model: str, revision: str | None = None) -> Origin:
    """Say where a model of the catalogue or the hub, or a local checkpoint, comes from; raise PrepareError.

    `revision` is a branch, tag or commit of the hub; the default is the catalogue's commit, or `main`.
    """
    if model == "embedded":
        raise PrepareError("embedded ships with the project: there is nothing to prepare")
    card = card_of(model)
    with readable(Path(model), model):
        if card is None and (model.startswith(PATH_STARTS) or (model and Path(model).exists())):
            return _local(Path(model).expanduser(), revision)
    hub_id = card.hub_id if card is not None else model
    if not HUB_ID.fullmatch(hub_id):
        raise PrepareError(
            f"{model!r} is not a model: give a name from `rerank models list`, a hub id (org/name) or a folder "
            f"(./{model})"
        )
    pinned = card.revision if card is not None else DEFAULT_REVISION
    licence = card.licence if card is not None else UNKNOWN
    return Origin(Source(hub_id=hub_id, revision=revision or pinned, licence=licence))


def implied_origin(model: str) -> Origin | None:
    """Say where a model must come from if it is to be served under this name; None if it may come from anywhere.

    A name of the catalogue, a hub id and a checkpoint's folder imply an origin. An artefact folder and a name that the
    user gave do not, nor does the embedded model.
    """
    folder = Path(model).expanduser()
    try:
        if card_of(model) is None and folder.is_dir() and not is_checkpoint(folder):
            return None
        return origin_of(model)
    except (PrepareError, OSError):
        return None


def _local(folder: Path, revision: str | None) -> Origin:
    if folder.is_file():
        raise PrepareError(f"{folder} is a file: give the folder of the checkpoint, {folder.resolve().parent}")
    if folder.is_symlink() and not folder.exists():
        raise PrepareError(f"{folder} is a link to {folder.readlink()}, which does not exist")
    if not folder.is_dir():
        raise PrepareError(
            f"{folder} is not a folder: give a checkpoint's folder, a name from `rerank models list` or a hub id"
        )
    if revision is not None:
        raise PrepareError(f"{folder} is a local checkpoint, which has no revisions: omit --revision {revision}")
    absolute = folder.resolve()
    return Origin(Source(hub_id=absolute.name, revision=LOCAL, licence=UNKNOWN), absolute)
