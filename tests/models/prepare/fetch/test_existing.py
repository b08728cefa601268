"""An artefact of a model of the hub: its commit tells whether it is the one that is asked for."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from models.artefact import Artefact
from models.prepare.errors import PrepareError
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from tests.support.hub import COMMIT, LIST, Fault, Hub, Repository
from tests.support.repository import ID
from tests.support.tiny_graphs import SILENT, checkpoint, tiny, write_texts

LATER = "f" * 40
TAGGED = {"main": COMMIT, "v1": COMMIT, "v2": LATER}


@pytest.fixture
def order(hub: Hub, cache: Path, tmp_path: Path) -> Order:
    """An order for the tiny graph of a repository whose `main` is at COMMIT, without a revision."""
    hub.repositories = {ID: repository(tmp_path / "source")}
    return Order(model=ID, precision="fp32", from_onnx=True, max_tokens=64, device="cpu", texts=write_texts(tmp_path))


def repository(folder: Path, commits: Mapping[str, str] = TAGGED) -> Repository:
    if not folder.exists():
        checkpoint(folder, tiny())
    names = ("tokenizer.json", "onnx/model.onnx")
    return Repository({name: (folder / name).read_bytes() for name in names}, commits=commits)


def again(order: Order, tmp_path: Path, **changes: object) -> tuple[Artefact, list[str]]:
    """Prepare once more, with changes; return what there is and what was said."""
    said: list[str] = []
    return prepare(msgspec.structs.replace(order, **changes), tmp_path / "models", Progress(said.append)), said


def refusal(order: Order, tmp_path: Path, **changes: object) -> str:
    with pytest.raises(PrepareError) as refused:
        again(order, tmp_path, **changes)
    return str(refused.value)


@pytest.fixture
def made(order: Order, tmp_path: Path) -> Artefact:
    return prepare(order, tmp_path / "models", SILENT)


def test_a_commit_is_compared_without_the_hub(hub: Hub, order: Order, made: Artefact, tmp_path: Path) -> None:
    """The same one is there; another one is named, with what was asked for."""
    hub.stop()
    assert again(order, tmp_path, revision=COMMIT)[0] == made
    assert refusal(order, tmp_path, revision=LATER) == (
        f"{made.folder} was prepared from commit {COMMIT[:12]}, not from {LATER[:12]}: "
        "--force replaces it, and another --models-dir keeps both"
    )


@pytest.mark.parametrize(("revision", "same"), [(None, True), ("main", True), ("v1", True), ("v2", False)])
def test_a_branch_or_tag_is_looked_up(
    hub: Hub, order: Order, made: Artefact, tmp_path: Path, revision: str | None, same: bool
) -> None:
    """Its commit counts and not its name, and the weights are not fetched again."""
    hub.asked.clear()
    if same:
        assert again(order, tmp_path, revision=revision)[0] == made
    else:
        sentence = refusal(order, tmp_path, revision=revision)
        assert f"was prepared from commit {COMMIT[:12]}, not from {LATER[:12]} (v2): " in sentence
    assert {asked.name for asked in hub.asked} == {LIST}


def test_a_branch_that_moved_on_is_another_model(hub: Hub, order: Order, made: Artefact, tmp_path: Path) -> None:
    """`main` is not what it was."""
    hub.repositories[ID] = repository(tmp_path / "source", {"main": LATER})
    assert f"from commit {COMMIT[:12]}, not from {LATER[:12]} (main)" in refusal(order, tmp_path)


def test_without_the_hub_what_is_recorded_decides(hub: Hub, order: Order, made: Artefact, tmp_path: Path) -> None:
    """The branch of the first order is taken for what it was, and this is said; another one is not."""
    hub.stop()
    there, said = again(order, tmp_path)
    assert there == made
    assert said[0] == (
        "the commit of main could not be looked up on the hub, so what is recorded decides: "
        f"it was {COMMIT} when {made.folder} was prepared"
    )
    assert "cannot be reached" in refusal(order, tmp_path, revision="v2")


def test_a_hub_that_refuses_does_not_take_away_what_is_there(
    hub: Hub, order: Order, made: Artefact, tmp_path: Path
) -> None:
    """A model may be withdrawn after it was prepared; a revision that never was is told."""
    assert "has no revision v9" in refusal(order, tmp_path, revision="v9")
    hub.faults[LIST] = Fault(status=403)
    assert again(order, tmp_path)[0] == made


def test_another_organisations_model_of_the_same_name_is_another(
    hub: Hub, order: Order, made: Artefact, tmp_path: Path
) -> None:
    """Each has a folder of its own; a folder that is called like the one of a hub id is not taken for it."""
    hub.repositories["other/reranker"] = repository(tmp_path / "source")
    other, _ = again(order, tmp_path, model="other/reranker")
    assert {made.folder.parent.name, other.folder.parent.name} == {"acme--reranker", "other--reranker"}
    local = checkpoint(tmp_path / "acme--reranker", tiny())
    assert refusal(order, tmp_path, model=str(local)).startswith(
        f"{made.folder} was prepared from {ID}, not from {local}: "
    )
