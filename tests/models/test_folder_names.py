"""Names of model folders: each model has its own, whatever it is called, and what earlier versions made is found."""

import os
from pathlib import Path

import pytest

from models.artefact import ArtefactError
from models.folder_names import LONGEST
from models.store import find, folder_name


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("acme/own", "acme--own"),
        ("other/own", "other--own"),
        ("acme--own", "acme--own"),
        ("北京/重排序", "北京--重排序"),
        ("./models/重排序", "重排序"),
        ("/data/my--model", "my--model"),
        ("~/checkpoint-500", "checkpoint-500"),
    ],
)
def test_usual_names_are_as_they_were(model: str, folder: str) -> None:
    """What an earlier version prepared is found."""
    assert folder_name(model) == folder


def test_ids_that_were_once_folded_into_one_have_folders_of_their_own() -> None:
    """`a--b/c` and `a/b--c` were both `a--b--c`, which is a name of its own too."""
    names = [folder_name(model) for model in ("a--b/c", "a/b--c", "a--b--c")]
    assert len(set(names)) == 3
    assert names[2] == "a--b--c"


@pytest.mark.parametrize(
    "model", ["/", ".", "..", "./.hidden", "./...", "org/" + "b" * 200, "./" + "é" * 100, "n" * 200, "org/..", "../x"]
)
def test_every_model_has_one_visible_folder(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directly in the models folder, where `models list` shows it, and no longer than file systems allow."""
    monkeypatch.chdir(tmp_path)
    name = folder_name(model)
    assert (tmp_path / name).parent == tmp_path
    assert name
    assert not name.startswith((".", "~", "-"))
    assert len(os.fsencode(name)) <= LONGEST
    (tmp_path / name).mkdir()


@pytest.mark.parametrize("model", ["a" * 300, "./" + "a" * 300, "org/" + "é" * 200, "/".join(["a" * 100] * 60)])
def test_a_name_that_no_file_can_have_is_one_sentence(model: str, tmp_path: Path) -> None:
    """It was a stack trace."""
    with pytest.raises(ArtefactError, match=r"^no model is called .{40}…: the name is too long for a folder$"):
        find(model, tmp_path)
