"""Names, hub ids and paths of models, and which prepared precision is taken."""

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest

from models.artefact import ArtefactError
from models.catalogue import CARDS, EMBEDDED, card_of
from models.store import NotPrepared, find, folder_name, prepared
from tests.support.tiny import make_artefact

V2_M3 = "bge-reranker-v2-m3"


def manifest(folder: Path, precision: str = "fp32") -> Path:
    """A folder that has a manifest, which is all that finding looks at."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(f'{{"precision": "{precision}"}}')
    return folder


def test_the_embedded_model_is_always_there(tmp_path: Path) -> None:
    """Whatever the models folder holds; it is int8 and nothing else."""
    assert find("embedded", tmp_path) == EMBEDDED
    assert find("embedded", tmp_path, "int8", ("fp16",)) == EMBEDDED
    with pytest.raises(ArtefactError, match="only available in int8, not in fp16: set --precision to int8 or auto"):
        find("embedded", tmp_path, "fp16")


def test_a_folder_that_the_user_put_is_found_by_its_name(tmp_path: Path) -> None:
    """A folder with a manifest is a model; one without is not."""
    make_artefact(tmp_path / "mine")
    (tmp_path / "half-made").mkdir()
    assert find("mine", tmp_path) == tmp_path / "mine"
    assert prepared(tmp_path) == [tmp_path / "mine"]


def test_both_layouts_are_listed(tmp_path: Path) -> None:
    """One folder for every prepared precision; what is still being made (a hidden folder) is left out."""
    made = [manifest(tmp_path / V2_M3 / "fp16"), manifest(tmp_path / V2_M3 / "int8"), manifest(tmp_path / "mine")]
    manifest(tmp_path / ".partial")
    manifest(tmp_path / V2_M3 / "notes")
    assert prepared(tmp_path) == made
    assert prepared(tmp_path / "none") == []


@pytest.mark.parametrize("model", [V2_M3, f"BAAI/{V2_M3}"])
def test_a_card_is_found_by_its_name_and_by_its_hub_id(tmp_path: Path, model: str) -> None:
    """Both mean the same folder."""
    folder = manifest(tmp_path / V2_M3 / "fp16")
    assert find(model, tmp_path) == folder


def test_a_hub_id_without_a_card_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Two organisations may have models of one name."""
    folder = manifest(tmp_path / "acme--own" / "fp32")
    assert find("acme/own", tmp_path) == folder
    assert find("acme--own", tmp_path) == folder
    with pytest.raises(NotPrepared, match=r"run `rerank models prepare other/own`$"):
        find("other/own", tmp_path)


@pytest.mark.parametrize(
    ("prefer", "taken"),
    [(("fp16", "fp32"), "fp16"), (("int8", "fp32"), "fp32"), (("int8",), "fp32"), ((), "fp32")],
    ids=["the first preferred one", "the second, where the first is not there", "any other last", "no preference"],
)
def test_auto_takes_the_first_preferred_precision_that_is_prepared(
    tmp_path: Path, prefer: tuple[str, ...], taken: str
) -> None:
    """fp16 and fp32 are prepared here."""
    for precision in ("fp16", "fp32"):
        manifest(tmp_path / V2_M3 / precision)
    assert find(V2_M3, tmp_path, "auto", prefer) == tmp_path / V2_M3 / taken


def test_a_named_precision_is_taken_or_refused(tmp_path: Path) -> None:
    """Nobody gets int8 who asked for fp16."""
    manifest(tmp_path / V2_M3 / "int8")
    fp32 = manifest(tmp_path / V2_M3, "fp32")
    assert find(V2_M3, tmp_path, "fp32", ("int8",)) == fp32
    manifest(tmp_path / V2_M3, "int8")
    assert find(V2_M3, tmp_path) == tmp_path / V2_M3 / "int8", "what was prepared wins over what a user put beside it"
    manifest(tmp_path / V2_M3, "fp32")
    with pytest.raises(NotPrepared) as refused:
        find(V2_M3, tmp_path, "fp16", ("int8",))
    assert str(refused.value) == (
        f"{V2_M3} is prepared in fp32, int8, but not in fp16: run `rerank models prepare {V2_M3} --precision fp16`"
    )


def test_a_damaged_manifest_is_found_for_load_to_judge(tmp_path: Path) -> None:
    """Finding never reads more than it must."""
    (manifest(tmp_path / "mine") / "manifest.json").write_bytes(b"\xff")
    assert find("mine", tmp_path) == tmp_path / "mine"


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts with a dot, a slash or a tilde is a folder, there or not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find(str(tmp_path), tmp_path / "models") == tmp_path
    assert find("./mine", tmp_path) == Path("mine")
    assert find("~/mine", tmp_path) == tmp_path / "mine"
    assert find("no/such/folder", tmp_path) == Path("no/such/folder")


def test_a_path_may_hold_several_precisions(tmp_path: Path) -> None:
    """The folder of a model works like its name."""
    manifest(tmp_path / "mine" / "fp32")
    int8 = manifest(tmp_path / "mine" / "int8")
    assert find(str(tmp_path / "mine"), tmp_path, "auto", ("int8",)) == int8
    with pytest.raises(NotPrepared, match="not in fp16"):
        find(str(tmp_path / "mine"), tmp_path, "fp16")


def test_a_folder_beside_the_user_is_found_without_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But a card and a prepared model win over it."""
    monkeypatch.chdir(tmp_path)
    models_dir = tmp_path / "models"
    for name in ("org/own", "own", V2_M3):
        (tmp_path / name).mkdir(parents=True)
    assert find("org/own", models_dir) == Path("org/own")
    assert find("own", models_dir) == Path("own")
    with pytest.raises(NotPrepared):
        find(V2_M3, models_dir)
    folder = manifest(models_dir / "org--own" / "fp32")
    assert find("org/own", models_dir) == folder


def test_a_checkpoint_stands_for_what_was_prepared_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, however it is written; before it is prepared, the command is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "my best").mkdir(parents=True)
    (tmp_path / "runs" / "my best" / "config.json").touch()
    names = [f"{tmp_path}/runs/my best", "./runs/my best", "runs/my best", "runs/my best/"]
    for name in names:
        with pytest.raises(NotPrepared) as missing:
            find(name, tmp_path / "models", "fp32")
        assert str(missing.value) == (
            f"{name} is not prepared yet: run `rerank models prepare '{name}' --precision fp32`"
        )
        assert (missing.value.origin, missing.value.from_onnx) == (name, False)
    made = manifest(tmp_path / "models" / "my best" / "fp32")
    for name in names:
        assert find(name, tmp_path / "models") == made
        assert folder_name(name) == "my best"


@pytest.mark.parametrize(
    ("recorded", "command"),
    [
        ('"preparation": {"model": "/data/mine", "from_onnx": true}', "/data/mine --from-onnx --precision int8"),
        ('"source": {"hub_id": "acme/own", "revision": "0", "licence": ""}', "acme/own --precision int8"),
    ],
    ids=["a folder, from its graph", "a hub id, by a version that kept no record"],
)
def test_another_precision_is_prepared_from_where_the_first_came(tmp_path: Path, recorded: str, command: str) -> None:
    """The name of the artefact's folder alone would lead nowhere."""
    folder = manifest(tmp_path / "mine" / "fp32")
    (folder / "manifest.json").write_text(f'{{"precision": "fp32", {recorded}}}')
    with pytest.raises(
        NotPrepared, match=f"is prepared in fp32, but not in int8: run `rerank models prepare {command}`"
    ):
        find("mine", tmp_path, "int8")


def test_a_model_of_unknown_origin_is_not_to_be_prepared(tmp_path: Path) -> None:
    """The user put it there."""
    manifest(tmp_path / "mine" / "fp32")
    with pytest.raises(
        NotPrepared, match="is prepared in fp32, but not in int8: use one of these, or --precision auto"
    ):
        find("mine", tmp_path, "int8")


def test_a_known_model_that_is_not_here_is_told_from_an_unknown_one(tmp_path: Path) -> None:
    """The one names the command that makes it ready, the other what names there are."""
    manifest(tmp_path / "mine")
    with pytest.raises(NotPrepared) as known:
        find(V2_M3, tmp_path)
    assert known.value.model == V2_M3
    assert str(known.value) == f"{V2_M3} is not prepared yet: run `rerank models prepare {V2_M3}`"
    with pytest.raises(ArtefactError, match=r"no model is called nonsense: .*embedded.*mine.*mxbai") as unknown:
        find("nonsense", tmp_path)
    assert not isinstance(unknown.value, NotPrepared)
    manifest(tmp_path)
    with pytest.raises(ArtefactError, match="no model is called"):
        find("", tmp_path)


def test_a_model_that_needs_remote_code_is_told_how_it_can_be_had(tmp_path: Path) -> None:
    """Its code is never run: only a ready ONNX graph will do."""
    with pytest.raises(NotPrepared, match=r"run `rerank models prepare jina-reranker-v1-turbo-en --from-onnx`$"):
        find("jina-reranker-v1-turbo-en", tmp_path)


def test_a_models_folder_is_named_after_its_card_its_hub_id_or_its_path(tmp_path: Path) -> None:
    """prepare writes where find looks."""
    assert folder_name(V2_M3) == folder_name(f"BAAI/{V2_M3}") == V2_M3
    assert folder_name("acme/own") == "acme--own"
    assert folder_name(f"{tmp_path}/checkpoint/") == "checkpoint"
    assert folder_name("mine") == "mine"
    for taken in (V2_M3, "embedded"):
        assert folder_name(f"{tmp_path}/{taken}") == f"local--{taken}", (
            "a folder does not go by a name of the catalogue"
        )


def test_the_hub_id_of_the_embedded_models_source_is_another_model() -> None:
    """The embedded model is made of those weights and is not that checkpoint."""
    assert card_of("sentence-transformers/all-MiniLM-L6-v2") is None
    assert card_of("embedded") is CARDS[0]
    assert card_of("nonsense") is None


def test_every_card_is_whole() -> None:
    """A name finds one model; a revision is a whole commit or main; a date is one."""
    assert len({card.name for card in CARDS}) == len({card.hub_id for card in CARDS}) == len(CARDS)
    for card in CARDS:
        assert re.fullmatch(r"main|[0-9a-f]{40}", card.revision), card.name
        assert date(2020, 1, 1) < date.fromisoformat(card.released)
        assert card.parameters > 1_000_000
        assert card.name == "embedded" or card.hub_id.partition("/")[2] == card.name
        assert msgspec.json.decode(msgspec.json.encode(card), type=type(card)) == card
