"""The models known by name, and where a name's artefact folder is.

A name is a card of this catalogue or a folder in the user's models folder; anything with a path separator is a folder
itself. The embedded model is always there.
"""

from pathlib import Path

import msgspec

from models.artefact import MANIFEST, ArtefactError

EMBEDDED = Path(__file__).parent / "embedded"
"""The folder of the small model that ships with the project."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model before any of its files are here."""

    name: str
    hub_id: str
    licence: str
    max_tokens: int


CARDS = (
    Card(
        name="embedded",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        max_tokens=512,
    ),
    Card(
        name="bge-reranker-v2-m3",
        hub_id="BAAI/bge-reranker-v2-m3",
        licence="Apache-2.0",
        max_tokens=8192,
    ),
)


def find(model: str, models_dir: Path) -> Path:
    """Find the artefact folder of a model's name or path; raise ArtefactError when it is not here."""
    if model == "embedded":
        return EMBEDDED
    if "/" in model or model.startswith("."):
        return Path(model).expanduser()
    folder = models_dir / model
    if (folder / MANIFEST).is_file():
        return folder
    names = sorted({card.name for card in CARDS} | {path.name for path in prepared(models_dir)})
    if model in names:
        raise ArtefactError(f"{model} is known but not prepared here: its artefact folder belongs at {folder}")
    raise ArtefactError(f"no model is called {model}: give an artefact folder (./{model}) or one of {', '.join(names)}")


def prepared(models_dir: Path) -> list[Path]:
    """List the artefact folders in the models folder, by name."""
    if not models_dir.is_dir():
        return []
    return sorted(path.parent for path in models_dir.glob(f"*/{MANIFEST}"))
