"""The catalogue of known models, and the lookup of a model's artefact folder.

A model is named by its card's name, its hub id (`org/name`), the name of a folder in the user's models folder, or a
path. Prepared models are at `<models_dir>/<name>/<precision>`, where the name of a model without a card is `org--name`
and that of a checkpoint its folder's; a folder that the user placed at `<models_dir>/<name>` is found too. The embedded
model is always available. Revisions are pinned wherever they could be confirmed, so that two machines prepare the same
bytes. Whether a folder that is found by its name holds the model that is meant is checked by `prepare/identity.py`.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import msgspec

from models.artefact import MANIFEST, ArtefactError, OptionError, Precision, read_head, readable
from models.folder_names import check_length, fitting, of_hub_id

EMBEDDED = Path(__file__).parent / "embedded"
"""The artefact folder of the small model that ships with the project."""
EMBEDDED_PRECISION: Precision = "int8"
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


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a model that are known without its files."""

    name: str
    hub_id: str
    revision: str
    """The commit to fetch by default."""
    licence: str
    parameters: int
    max_tokens: int
    released: str
    """ISO date."""
    usd_per_million_tokens: float | None = None
    """The price of a hosted service, for comparison; None if unknown."""
    remote_code: bool = False
    """Whether the architecture exists only as code in the repository. Such code is never run, so an ONNX graph is
    needed."""


CARDS = (
    ModelCard(
        name="embedded",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        revision="main",  # it ships with the project and is never fetched
        licence="Apache-2.0",
        parameters=22_713_216,
        max_tokens=512,
        released="2021-08-30",
    ),
    ModelCard(
        name="bge-reranker-v2-m3",
        hub_id="BAAI/bge-reranker-v2-m3",
        revision="953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e",
        licence="Apache-2.0",
        parameters=567_755_777,
        max_tokens=8192,
        released="2024-03-18",
        usd_per_million_tokens=0.020,
    ),
    ModelCard(
        name="bge-reranker-base",
        hub_id="BAAI/bge-reranker-base",
        revision="2cfc18c9415c912f9d8155881c133215df768a70",
        licence="MIT",
        parameters=278_044_417,
        max_tokens=512,
        released="2023-09-12",
    ),
    ModelCard(
        name="bge-reranker-large",
        hub_id="BAAI/bge-reranker-large",
        revision="55611d7bca2a7133960a6d3b71e083071bbfc312",
        licence="MIT",
        parameters=559_891_457,
        max_tokens=512,
        released="2023-09-12",
    ),
    ModelCard(
        name="ms-marco-MiniLM-L6-v2",
        hub_id="cross-encoder/ms-marco-MiniLM-L6-v2",
        revision="c5ee24cb16019beea0893ab7796b1df96625c6b8",
        licence="Apache-2.0",
        parameters=22_713_601,
        max_tokens=512,
        released="2021-04-15",
    ),
    ModelCard(
        name="ms-marco-MiniLM-L12-v2",
        hub_id="cross-encoder/ms-marco-MiniLM-L12-v2",
        revision="7b0235231ca2674cb8ca8f022859a6eba2b1c968",
        licence="Apache-2.0",
        parameters=33_360_385,
        max_tokens=512,
        released="2021-04-15",
    ),
    ModelCard(
        name="mxbai-rerank-xsmall-v1",
        hub_id="mixedbread-ai/mxbai-rerank-xsmall-v1",
        revision="b5c6e9da73abc3711f593f705371cdbe9e0fe422",
        licence="Apache-2.0",
        parameters=70_830_337,
        max_tokens=512,
        released="2024-02-29",
    ),
    ModelCard(
        name="mxbai-rerank-base-v1",
        hub_id="mixedbread-ai/mxbai-rerank-base-v1",
        revision="800f24c113213a187e65bde9db00c15a2bb12738",
        licence="Apache-2.0",
        parameters=184_422_913,
        max_tokens=512,
        released="2024-02-29",
    ),
    ModelCard(
        name="jina-reranker-v1-turbo-en",
        hub_id="jinaai/jina-reranker-v1-turbo-en",
        revision="b8c14f4e723d9e0aab4732a7b7b93741eeeb77c2",
        licence="Apache-2.0",
        parameters=37_771_777,
        max_tokens=8192,
        released="2024-04-18",
        remote_code=True,
    ),
    ModelCard(
        name="gte-multilingual-reranker-base",
        hub_id="Alibaba-NLP/gte-multilingual-reranker-base",
        revision="8215cf04918ba6f7b6a62bb44238ce2953d8831c",
        licence="Apache-2.0",
        parameters=305_959_681,
        max_tokens=8192,
        released="2024-07-25",
        remote_code=True,
    ),
)


def card_of(model: str) -> ModelCard | None:
    """Find a model's card by name or hub id; the embedded model only by name, since it differs from its source."""
    for card in CARDS:
        if model == card.name or (model == card.hub_id and card.name != "embedded"):
            return card
    return None


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
            f"use {OptionError.NAME} {EMBEDDED_PRECISION} or {AUTO}",
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
