"""Names and paths of models."""

from pathlib import Path

import pytest

from models.artefact import ArtefactError
from models.catalog import CARDS, EMBEDDED, find, prepared
from tests.tiny import make_artefact


def test_the_embedded_model_is_always_there(tmp_path: Path) -> None:
    """Whatever the models folder holds."""
    assert find("embedded", tmp_path) == EMBEDDED


def test_a_prepared_model_is_found_by_its_folders_name(tmp_path: Path) -> None:
    """A folder with a manifest is a model."""
    make_artefact(tmp_path / "mine")
    (tmp_path / "half-made").mkdir()
    assert find("mine", tmp_path) == tmp_path / "mine"
    assert prepared(tmp_path) == [tmp_path / "mine"]


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """Anything with a separator is a folder."""
    assert find(str(tmp_path), tmp_path / "models") == tmp_path
    assert find("./mine", tmp_path) == Path("mine")


def test_a_known_model_that_is_not_here_is_told_from_an_unknown_one(tmp_path: Path) -> None:
    """The one says where its folder belongs, the other what names there are."""
    with pytest.raises(ArtefactError, match="known but not prepared"):
        find("bge-reranker-v2-m3", tmp_path)
    with pytest.raises(ArtefactError, match="no model is called nonsense"):
        find("nonsense", tmp_path)


def test_every_card_has_a_name_of_its_own() -> None:
    """A name finds one model."""
    assert len({card.name for card in CARDS}) == len(CARDS)
