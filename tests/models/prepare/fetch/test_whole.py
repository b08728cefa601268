"""What is fetched: all that a reranker needs, and nothing else, at the commit that was asked for."""

import json
import re
from pathlib import Path

import pytest

from models.catalogue import card_of
from models.prepare.fetch import Checkpoint, fetch
from tests.support.hub import COMMIT, LIST, Hub, Repository
from tests.support.repository import ID, PLAIN, files, sha256


def test_a_checkpoint_is_fetched_whole_and_nothing_else_is(hub: Hub, cache: Path) -> None:
    """Config, tokenizer and safetensors lie in one folder; the commit is resolved; no pickle, no graph, no README."""
    checkpoint = fetch(ID)
    held = files()
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "model.safetensors"}
    assert checkpoint.files == {name: sha256(held[name]) for name in wanted}
    assert all((checkpoint.folder / name).read_bytes() == held[name] for name in wanted)
    assert (checkpoint.source.hub_id, checkpoint.source.revision) == (ID, COMMIT)
    assert checkpoint.source.licence == "apache-2.0"
    assert checkpoint.graph is None
    assert {asked.name for asked in hub.asked if asked.sent} == wanted | {LIST}
    assert checkpoint.folder.is_relative_to(cache)


def test_a_second_fetch_moves_no_file(hub: Hub, cache: Path) -> None:
    """Only the list of files is asked for again."""
    first = fetch(ID)
    hub.asked.clear()
    assert fetch(ID) == first
    assert [asked.name for asked in hub.asked] == [LIST]


def test_a_blob_that_the_cache_has_is_not_fetched_again(hub: Hub, cache: Path) -> None:
    """Another commit with the same weights only needs a new link."""
    fetch(ID)
    hub.asked.clear()
    hub.repositories[ID] = Repository(files(), commits={"main": "e" * 40})
    assert fetch(ID).source.revision == "e" * 40
    assert hub.of("model.safetensors") == []


def test_a_card_is_fetched_at_its_pinned_commit(hub: Hub, cache: Path) -> None:
    """By its name or its hub id, with the card's licence; another revision may be asked for."""
    card = card_of("bge-reranker-base")
    assert card is not None
    hub.repositories[card.hub_id] = Repository(files(), commits={"old": card.revision, "v2": COMMIT})
    by_name = fetch(card.name)
    assert by_name.source.revision == card.revision
    assert (by_name.source.hub_id, by_name.source.licence) == (card.hub_id, "MIT")
    assert fetch(card.hub_id) == by_name
    assert fetch(card.name, revision="v2").source.revision == COMMIT
    assert hub.asked[0].path.partition("?")[0] == f"/api/models/{card.hub_id}/revision/{card.revision}"


def test_a_licence_that_nobody_names_is_unknown(hub: Hub, cache: Path) -> None:
    """Nothing is guessed."""
    hub.repositories[ID] = Repository(files(), licence=None)
    assert fetch(ID).source.licence == "unknown"


def test_a_sharded_checkpoint_is_fetched_by_its_index(hub: Hub, cache: Path) -> None:
    """Every shard that the index names, and no other safetensors file."""
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = json.dumps({"metadata": {}, "weight_map": names}).encode()
    shards: dict[str, bytes | None] = {name: name.encode() * 9 for name in names.values()}
    changes = shards | {"model.safetensors": None, "model.safetensors.index.json": index, "lora.safetensors": b"lora"}
    hub.repositories[ID] = Repository(files(**changes))
    checkpoint = fetch(ID)
    assert {*names.values(), "model.safetensors.index.json"} <= set(checkpoint.files)
    assert "lora.safetensors" not in checkpoint.files


@pytest.mark.parametrize("place", ["onnx/", ""])
def test_a_graph_is_fetched_with_its_data_and_without_weights(hub: Hub, cache: Path, place: str) -> None:
    """From the folder onnx or the root; no config is needed, and code in the repository is no hindrance."""
    graph = {f"{place}model.onnx": b"graph" * 100, f"{place}model.onnx_data": b"data" * 100}
    changes: dict[str, bytes | None] = PLAIN | graph
    hub.repositories[ID] = Repository(files({"architectures": ["OwnModel"], "model_type": "own"}, **changes))
    checkpoint = fetch(ID, from_onnx=True)
    assert checkpoint.graph == checkpoint.folder / f"{place}model.onnx"
    assert {name for name in checkpoint.files if "model." in name} == set(graph)
    assert checkpoint.graph.read_bytes() == b"graph" * 100
    assert (checkpoint.folder / "tokenizer.json").is_file()
    hub.repositories[ID] = Repository(files(**(changes | {"config.json": None})), commits={"main": "f" * 40})
    assert "config.json" not in fetch(ID, from_onnx=True).files


def test_no_telemetry_is_sent(hub: Hub, cache: Path) -> None:
    """Only the model is asked for, and the client does not name what else is installed or who runs it."""
    fetch(ID)
    assert not [asked.path for asked in hub.asked if "telemetry" in asked.path or "agent" in asked.path]
    agents = {asked.headers.get("user-agent", "") for asked in hub.asked}
    assert all(re.fullmatch(r"unknown/None; hf_hub/[\d.]+; python/[\d.]+", agent) for agent in agents), agents


def test_a_checkpoint_is_exported_by_fetch() -> None:
    """The next steps import both names from here."""
    assert Checkpoint.__struct_fields__ == ("folder", "source", "files", "graph", "stamps")
