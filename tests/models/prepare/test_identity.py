"""What is found under a name is served only if it comes from where the name says."""

import shutil
from pathlib import Path

import msgspec
import pytest

from models.artefact import ArtefactError, Preparation, Source, seal
from models.prepare.identity import require_origin
from models.prepare.prepare import Order, prepare
from tests.support.tiny import make_artefact
from tests.support.tiny_graphs import SILENT, checkpoint, tiny, write_texts

BGE = "bge-reranker-v2-m3"


def artefact(folder: Path, hub_id: str, revision: str = "0" * 40, *, recorded: bool = True) -> Path:
    """An artefact of this source; without a record it is of an older version, or was put there by the user."""
    made = make_artefact(folder)
    source = Source(hub_id=hub_id, revision=revision, licence="unknown")
    manifest = msgspec.structs.replace(made.manifest, source=source)
    if recorded:
        record = Preparation(
            model=f"/data/{hub_id}" if source.is_local else hub_id,
            revision=revision,
            from_onnx=False,
            model_max_tokens=32,
            own_pairs=False,
            own_published=False,
        )
        manifest = msgspec.structs.replace(manifest, preparation=record)
    return seal(folder, manifest).folder


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint, and what was prepared from it."""
    folder = checkpoint(tmp_path / "mine", tiny())
    order = Order(
        model=str(folder), precision="fp32", from_onnx=True, max_tokens=64, texts=write_texts(tmp_path), device="cpu"
    )
    return folder, prepare(order, tmp_path / "models", SILENT).folder


@pytest.mark.parametrize("model", [BGE, f"BAAI/{BGE}"])
def test_a_name_of_the_catalogue_stands_for_its_hub_id(tmp_path: Path, model: str) -> None:
    """Every revision of it is accepted; a local checkpoint or another organisation's model of that name is not."""
    require_origin(artefact(tmp_path / "right", f"BAAI/{BGE}", "an older revision"), model)
    for hub_id, revision, there in ((BGE, "local", f"/data/{BGE}"), (f"acme/{BGE}", "0" * 40, f"acme/{BGE}")):
        folder = artefact(tmp_path / revision, hub_id, revision)
        with pytest.raises(ArtefactError) as refused:
            require_origin(folder, model)
        assert str(refused.value) == (
            f"{folder} was prepared from {there}, not from BAAI/{BGE}: `rerank models prepare {model} --precision fp32 "
            "--force` replaces it, and another --models-dir keeps both"
        )


def test_a_hub_id_stands_for_itself(tmp_path: Path) -> None:
    """org/name is not what a folder called org--name gave."""
    require_origin(artefact(tmp_path / "right", "acme/own"), "acme/own")
    with pytest.raises(ArtefactError, match="was prepared from /data/acme--own, not from acme/own: "):
        require_origin(artefact(tmp_path / "wrong", "acme--own", "local"), "acme/own")


def test_an_artefact_without_a_record_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    """An older version took a local checkpoint for the catalogue's; what a user put there is as the user wants it."""
    with pytest.raises(ArtefactError, match=f"was prepared from a local checkpoint, not from BAAI/{BGE}: "):
        require_origin(artefact(tmp_path / "older", BGE, "local", recorded=False), BGE)
    require_origin(artefact(tmp_path / "put", "acme/own", recorded=False), BGE)


def test_other_names_and_artefact_folders_may_come_from_anywhere(tmp_path: Path) -> None:
    """The user gave them; the embedded model is what it is."""
    folder = artefact(tmp_path / "mine", "acme/own")
    for model in ("mine", str(folder), str(tmp_path), "embedded", "./none", ""):
        require_origin(folder, model)


def test_a_checkpoint_stands_for_what_was_prepared_from_it(
    prepared: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as its files are the same; its name alone stands for the artefact, unless it is a folder here."""
    folder, made = prepared
    monkeypatch.chdir(tmp_path)
    for model in (str(folder), "./mine", "mine"):
        require_origin(made, model)
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")
    for model in (str(folder), "./mine", "mine"):
        with pytest.raises(
            ArtefactError, match=r"from tokenizer\.json with sha256 .*--precision fp32 --force` replaces"
        ):
            require_origin(made, model)
    monkeypatch.chdir(made)
    require_origin(made, "mine")


def test_another_folder_is_another_checkpoint(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    """Whatever it is called, and even if its files are equal: the one may be trained further, and the other not."""
    folder, made = prepared
    other = shutil.copytree(folder, tmp_path / "there" / "mine")
    with pytest.raises(ArtefactError, match=f"was prepared from {folder}, not from {other}: "):
        require_origin(made, str(other))


def test_a_checkpoint_that_lost_a_file_is_told(prepared: tuple[Path, Path]) -> None:
    """What was prepared from it cannot be compared with it any more; by its name it is still served."""
    folder, made = prepared
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ArtefactError, match=r"has no tokenizer\.json"):
        require_origin(made, str(folder))
