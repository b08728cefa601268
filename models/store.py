"""The models folder: where a prepared model lies, and how the name that a user types leads to it.

A model is named by its card's name, its hub id (`org/name`), the name of a folder in the user's models folder, or a
path. Prepared models are at `<models_dir>/<name>/<precision>`, where the name of a model without a card is `org--name`
and that of a checkpoint its folder's; a folder that the user placed at `<models_dir>/<name>` is found too. Whether a
folder that is found by its name holds the model that is meant is checked by `prepare/identity.py`.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from models.artefact import MANIFEST, ArtefactError, OptionError, Precision, read_head, readable
from models.catalogue import CARDS, EMBEDDED, EMBEDDED_PRECISION, card_of
from models.folder_names import check_length, fitting, of_hub_id

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
AUTO = "auto"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PATH_STARTS = (".", "/", "~")
LOCAL_PREFIX = "local--"
"""The start of a local checkpoint's name if its folder is called like a model of the catalogue."""
CHECKPOINT_FILES = ("config.json", "onnx/model.onnx")
"""Files of which a checkpoint has one or both, and an artefact none."""


class NotPrepared(ArtefactError):
    """A model is not prepared, or not in this precision; the message gives the command if there is one."""

    def __init__(self, model: str, why: str, remedy: str, origin: str | None, from_onnx: bool) -> None:
        super().__init__(f"{model} {why}: {remedy}")
        self.model = model
        self.origin = origin
        """The name, hub id or folder from which it can be prepared; None if that is not known."""
        self.from_onnx = from_onnx
        """Whether it can be, or was, prepared only from the repository's own ONNX graph."""


def folder_name(model: str) -> str:
    """Return the name of the folder, inside the models folder, in which a model (name, hub id or path) is prepared."""
    check_length(model)
    card = card_of(model)
    if card is not None:
        return card.name
    if model.startswith(PATH_STARTS) or is_checkpoint(Path(model)):
        path = Path(model).expanduser().resolve()
        name = fitting(path.name, str(path))
    else:
        name = of_hub_id(model.rstrip("/"))
    return name if card_of(name) is None else LOCAL_PREFIX + name


def is_checkpoint(folder: Path) -> bool:
    """Say whether a folder holds a checkpoint, from which a model is prepared."""
    return any((folder / name).is_file() for name in CHECKPOINT_FILES)


@readable()
def find(model: str, models_dir: Path, precision: str = AUTO, prefer: Sequence[str] = PRECISIONS) -> Path:
    """Find the artefact folder of a model.

    With `auto`, the first prepared precision of `prefer` is taken, then any other. The path of a checkpoint stands for
    what was prepared from it. Any other path without an artefact is returned unchanged, so that `load` reports what is
    missing.

    Raises:
        NotPrepared: the model can be prepared but is not, or not in this precision.
        OptionError: the model is unknown, or the embedded model is wanted in another precision than its own.
    """
    check_length(model)
    if model == "embedded":
        return _embedded(precision)
    if model.startswith(PATH_STARTS):
        return _at_path(Path(model).expanduser(), model, models_dir, precision, prefer)
    chosen = _choose(_by_precision(models_dir / folder_name(model)), model, precision, prefer) if model else None
    if chosen is not None:
        return chosen
    if card_of(model) is None:
        return _elsewhere(model, models_dir, precision, prefer)
    raise _not_prepared(model, precision)


@readable()
def prepared(models_dir: Path) -> list[Path]:
    """List the artefact folders in the models folder, in both layouts, sorted by path."""
    if not models_dir.is_dir():
        return []
    folders = {path.parent for path in models_dir.glob(f"*/{MANIFEST}")}
    for precision in PRECISIONS:
        folders |= {path.parent for path in models_dir.glob(f"*/{precision}/{MANIFEST}")}
    return sorted(path for path in folders if not path.relative_to(models_dir).parts[0].startswith("."))


def _embedded(precision: str) -> Path:
    if precision not in {AUTO, EMBEDDED_PRECISION}:
        raise OptionError(
            "precision",
            f"the embedded model is only available in {EMBEDDED_PRECISION}, not in {precision}: "
            f"set {OptionError.NAME} to {EMBEDDED_PRECISION} or {AUTO}",
        )
    return EMBEDDED


def _elsewhere(model: str, models_dir: Path, precision: str, prefer: Sequence[str]) -> Path:
    """Find a model without a card outside the models folder: a relative folder, or an unprepared or unknown model."""
    folder = Path(model)
    if model and (folder.is_dir() or model.count("/") > 1):
        return _at_path(folder, model, models_dir, precision, prefer)
    if HUB_ID.fullmatch(model):
        raise _not_prepared(model, precision, "is neither a folder nor a prepared model of the hub")
    names = sorted({card.name for card in CARDS} | {p.relative_to(models_dir).parts[0] for p in prepared(models_dir)})
    raise OptionError(
        "model",
        f"no model is called {model}: {OptionError.NAME} takes an artefact folder (./{model}) or one of "
        f"{', '.join(names)}",
    )


def _at_path(folder: Path, model: str, models_dir: Path, precision: str, prefer: Sequence[str]) -> Path:
    """Find the artefact in a folder, or the one that was prepared from the checkpoint in it."""
    here = _by_precision(folder)
    if not here and is_checkpoint(folder):
        made = _choose(_by_precision(models_dir / folder_name(model)), model, precision, prefer)
        if made is None:
            raise _not_prepared(model, precision)
        return made
    return _choose(here, model, precision, prefer) or folder


def _by_precision(folder: Path) -> dict[str, Path]:
    """Map each precision prepared in a model's folder to its path; a manifest directly in it counts for its own."""
    folders: dict[str, Path] = {name: folder / name for name in PRECISIONS if (folder / name / MANIFEST).is_file()}
    if (folder / MANIFEST).is_file():
        folders.setdefault(_manifest_precision(folder), folder)
    return folders


def _choose(folders: dict[str, Path], model: str, precision: str, prefer: Sequence[str]) -> Path | None:
    if not folders:
        return None
    if precision == AUTO:
        return next(folders[name] for name in (*prefer, *folders) if name in folders)
    if precision not in folders:
        prepared_as = ", ".join(sorted(folders))
        raise _not_prepared(model, precision, f"is prepared in {prepared_as}, but not in {precision}", folders)
    return folders[precision]


def _not_prepared(
    model: str, precision: str, why: str = "is not prepared yet", folders: Mapping[str, Path] | None = None
) -> NotPrepared:
    """Describe what is missing, with the command that prepares it; `folders` are its other precisions."""
    origin, from_onnx = _preparable(model, list((folders or {}).values()))
    if origin is None:
        return NotPrepared(model, why, "use one of these, or --precision auto", None, from_onnx)
    flags = " --from-onnx" if from_onnx else ""
    flags += "" if precision == AUTO else f" --precision {precision}"
    command = f"rerank models prepare {shlex.quote(origin)}{flags}"
    return NotPrepared(model, why, f"run `{command}`", origin, from_onnx)


def _preparable(model: str, folders: Sequence[Path]) -> tuple[str | None, bool]:
    """Find what a model can be prepared from, and whether it must be its ONNX graph."""
    card = card_of(model)
    if card is not None:
        return model, card.remote_code  # its code is never run
    recorded = next(filter(None, map(read_head, folders)), None)
    if is_checkpoint(Path(model).expanduser()) or (not folders and HUB_ID.fullmatch(model)):
        return model, False
    return (recorded.made_from, recorded.from_onnx) if recorded else (None, False)


def _manifest_precision(folder: Path) -> str:
    head = read_head(folder)
    return "unknown" if head is None else head.precision
