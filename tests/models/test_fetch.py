"""Fetching checkpoints: the true client against a hub of the tests' own, whole, refused, broken off and offline."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from models.catalog import card_of
from models.prepare.errors import PrepareError
from models.prepare.fetch import Checkpoint, fetch
from tests.hub import COMMIT, LIST, Fault, Hub, Repository

ID = "acme/reranker"
MINE = "mine"
"""The token that a gated repository takes."""
CHUNK = 100_000
"""What the client writes at a time; of what it got, it loses less than that when a connection breaks."""
WEIGHTS = os.urandom(7 * CHUNK)
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
}


def files(config: Mapping[str, Any] | None = None, /, **changes: bytes | None) -> dict[str, bytes]:
    """A repository with everything that such repositories have; a change of None leaves a file out."""
    whole: dict[str, bytes | None] = {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"---\nlicense: apache-2.0\n---",
        "config.json": json.dumps(CONFIG | dict(config or {})).encode(),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b"{}",
        "special_tokens_map.json": b"{} ",
        "model.safetensors": WEIGHTS,
        "pytorch_model.bin": b"pickle",
        "onnx/model.onnx": b"graph" * 100,
        "onnx/model.onnx_data": b"data" * 100,
        "onnx/model_int8.onnx": b"other graph",
    }
    return {name: body for name, body in (whole | changes).items() if body is not None}


PLAIN = {"onnx/model.onnx": None, "onnx/model.onnx_data": None, "onnx/model_int8.onnx": None}
"""Changes that leave a repository without graphs."""

NO_WEIGHTS = {"model.safetensors": None, "pytorch_model.bin": None}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({ID: Repository(files())}) as running:
        yield running


@pytest.fixture
def cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client in this process, pointed at the hub as HF_ENDPOINT and HF_HUB_CACHE do, with an empty cache."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    for waiting in (file_download, huggingface_hub.utils._http):
        monkeypatch.setattr(waiting, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    huggingface_hub.close_session()
    yield tmp_path / "cache"
    huggingface_hub.close_session()


def refusal(model: str = ID, **options: Any) -> str:
    """The sentence of a fetch that must fail."""
    with pytest.raises(PrepareError) as refused:
        fetch(model, **options)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def blobs(cache: Path) -> Path:
    return cache / "models--acme--reranker" / "blobs"


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


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (b'{"weight_map": {"a": "model-00001-of-00001.safetensors"}}', "which is not there"),
        (b'{"weight_map": {"a": "../config.json"}}', "which is not there"),
        (b'{"weight_map": {"a": "config.json"}}', "which is not there"),
        (b"[]", "cannot be read"),
    ],
    ids=["a shard is missing", "a shard leads out of the folder", "a shard is no safetensors", "the index is no index"],
)
def test_a_sharded_checkpoint_that_is_not_whole_is_refused(hub: Hub, cache: Path, index: bytes, why: str) -> None:
    """Before any weights are fetched."""
    hub.repositories[ID] = Repository(files(**{"model.safetensors": None, "model.safetensors.index.json": index}))
    assert why in refusal()


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


REMOTE = {"model_type": "new", "architectures": ["NewForSequenceClassification"], "auto_map": {"AutoConfig": "own.py"}}
JINA = {"architectures": ["JinaBertForSequenceClassification"], "auto_map": {"AutoConfig": "own.py"}}


@pytest.mark.parametrize(
    ("config", "changes", "why"),
    [
        ({}, {"model.safetensors": None}, r"only as a pickle \(pytorch_model.bin\).* --from-onnx"),
        ({}, PLAIN | {"model.safetensors": None}, r"\(save_pretrained\)$"),
        ({}, NO_WEIGHTS | {"openvino/openvino_model.bin": b"another runtime's"}, "has no weights: model.safetensors"),
        ({}, {"tokenizer.json": None}, "has no tokenizer.json: save one"),
        ({}, {"config.json": None}, "has no config.json"),
        ({}, {"config.json": b"{"}, "config.json cannot be read"),
        ({"architectures": ["BertModel"]}, {}, "is a BertModel: a reranker's architecture ends in"),
        ({"architectures": None}, {}, "is a nameless model"),
        ({"id2label": {"0": "A", "1": "B"}}, {}, "has 2 labels: a reranker has one"),
        ({"id2label": None}, {}, "has 2 labels"),
        ({"num_labels": 3, "id2label": None}, {}, "has 3 labels"),
        (REMOTE, {}, "model_type 'new'.*code in its repository and is never run: .*or use its ONNX graph"),
        (
            JINA,
            PLAIN,
            "model_type 'bert'.*code in its repository and is never run: take a model that transformers knows$",
        ),
        (REMOTE | {"auto_map": None}, {}, "which transformers lacks"),
        ({"model_type": "new", "auto_map": REMOTE["auto_map"]}, {}, "model_type 'new'.*is never run"),
    ],
    ids=[
        "a pickle with a graph beside it",
        "a pickle alone",
        "no weights",
        "no tokenizer.json",
        "no config",
        "a damaged config",
        "no classifier",
        "no architecture",
        "two labels",
        "labels that are not named",
        "three labels",
        "remote code",
        "remote code under a known model_type",
        "an architecture nobody knows",
        "a known class under a model_type of remote code",
    ],
)
def test_what_cannot_become_a_reranker_is_refused_before_its_weights_are_fetched(
    hub: Hub, cache: Path, config: dict[str, Any], changes: dict[str, bytes | None], why: str
) -> None:
    """The sentence says what is wrong, and names the graph only where there is one."""
    hub.repositories[ID] = Repository(files(config, **changes))
    sentence = refusal()
    assert sentence.startswith(ID)
    assert re.search(why, sentence), sentence
    assert hub.sent("model.safetensors") == 0


def test_one_label_may_be_told_by_its_number_alone(hub: Hub, cache: Path) -> None:
    """num_labels counts like a list of one."""
    hub.repositories[ID] = Repository(files({"num_labels": 1, "id2label": None}))
    assert fetch(ID).graph is None


def test_a_repository_without_a_graph_is_told_so(hub: Hub, cache: Path) -> None:
    """--from-onnx takes a graph that is there."""
    hub.repositories[ID] = Repository(files(**PLAIN))
    assert refusal(from_onnx=True) == (
        f"{ID} has no ONNX graph (onnx/model.onnx or model.onnx): --from-onnx has nothing to take"
    )


def test_a_fetch_that_broke_off_goes_on_where_it_ended(hub: Hub, cache: Path) -> None:
    """The second run asks for the rest by Range and gets only that; both together are the file once."""
    hub.faults["model.safetensors"] = Fault(breaks_after=300_000, times=1)
    hub.faults["the way to model.safetensors"] = Fault()
    hub.faults["model.safetensors"].times = 1
    broken = Fault(breaks_after=0)
    hub.faults["model.safetensors"] = Fault(breaks_after=300_000, times=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            file_download, "time", SimpleNamespace(sleep=lambda _: hub.faults.update({"model.safetensors": broken}))
        )
        sentence = refusal()
    assert sentence.startswith(f"{ID}: model.safetensors could not be fetched from {hub.url} (")
    assert sentence.endswith("prepare the model again (it goes on where it ended)")
    assert hub.sent("model.safetensors") == 300_000
    hub.faults.clear()
    asked_before = len(hub.of("model.safetensors"))
    checkpoint = fetch(ID)
    again = hub.of("model.safetensors")[asked_before:]
    assert [asked.headers["range"] for asked in again] == ["bytes=300000-"]
    assert hub.sent("model.safetensors") == len(WEIGHTS)
    assert checkpoint.files["model.safetensors"] == sha256(WEIGHTS)
    assert not list(blobs(cache).glob("*.partial"))


def test_a_connection_that_breaks_is_taken_up_within_a_run(hub: Hub, cache: Path) -> None:
    """The user sees nothing of it."""
    hub.faults["model.safetensors"] = Fault(breaks_after=200_000, times=3)
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)
    assert len(hub.of("model.safetensors")) == 4
    assert hub.sent("model.safetensors") == len(WEIGHTS)


def test_a_storage_that_stalls_is_given_up(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After HF_HUB_DOWNLOAD_TIMEOUT and the client's few tries."""
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults["model.safetensors"] = Fault(stalls_after=0)
    assert f"{ID}: model.safetensors could not be fetched from {hub.url} (" in refusal()


def test_bytes_that_differ_from_the_hubs_sha256_are_removed(hub: Hub, cache: Path) -> None:
    """So that the next run can succeed."""
    hub.faults["model.safetensors"] = Fault(body=b"\0" * len(WEIGHTS), times=1)
    sentence = refusal()
    assert sentence.startswith(f"{ID}: model.safetensors is damaged (sha256 ")
    assert sentence.endswith("has been removed: prepare the model again to fetch it anew")
    assert sha256(WEIGHTS)[:12] in sentence
    assert not (blobs(cache) / sha256(WEIGHTS)).exists()
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_cached_file_that_was_damaged_is_found_and_removed(hub: Hub, cache: Path, unreachable: bool) -> None:
    """With and without the hub: the cache names a big file after its sha256."""
    fetch(ID)
    blob = blobs(cache) / sha256(WEIGHTS)
    blob.write_bytes(b"hurt")
    hub.faults[LIST] = Fault(status=503 if unreachable else None)
    assert "model.safetensors is damaged" in refusal()
    assert not blob.exists()
    hub.faults.clear()
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)


def test_a_partial_file_that_is_too_long_is_begun_anew(hub: Hub, cache: Path) -> None:
    """It cannot be a part of the file."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").write_bytes(WEIGHTS + b"more")
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)
    assert "range" not in hub.of("model.safetensors")[0].headers


def test_a_file_that_ends_early_is_never_taken_for_whole(hub: Hub, cache: Path) -> None:
    """A proxy may cut a body and say that it is all."""
    hub.faults["model.safetensors"] = Fault(body=WEIGHTS[:1000])
    assert "model.safetensors could not be fetched" in refusal()
    assert not (blobs(cache) / sha256(WEIGHTS)).exists()


def test_a_disk_without_room_is_told_before_the_weights_are_fetched(hub: Hub, cache: Path) -> None:
    """With what is needed and what is free."""
    hub.repositories[ID] = Repository(files(), claimed_sizes={"model.safetensors": 10**18})
    sentence = refusal()
    assert sentence.startswith(f"{ID} needs 1000000000.0 GB more and the disk of {cache} has ")
    assert sentence.endswith("make room, or let HF_HOME name a folder on another disk")
    assert hub.sent("model.safetensors") == 0


def test_a_part_that_is_here_needs_no_room(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does a file that is in the cache."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").write_bytes(WEIGHTS[:-10])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=200))
    fetch(ID)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    fetch(ID)


def test_a_disk_that_fills_up_is_told(hub: Hub, cache: Path) -> None:
    """The kernel's own answer: the part is on /dev/full."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").symlink_to("/dev/full")
    assert refusal() == (
        f"the disk of {cache} became full while {ID}: model.safetensors was fetched: make room and prepare the model "
        f"again (it goes on where it ended), or let HF_HOME name a folder on another disk"
    )


@pytest.mark.parametrize("token", [None, "other"], ids=["without a token", "with the token of somebody else"])
def test_a_gated_model_says_what_to_do(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """Its terms are accepted on its page, by the token's account."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert refusal() == f"{ID} is gated: accept its terms on {hub.url}/{ID} and set HF_TOKEN to a token of that account"


def test_a_token_goes_to_the_hub_and_never_to_the_storage(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gated model is fetched with it."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    monkeypatch.setenv("HF_TOKEN", MINE)
    fetch(ID)
    assert hub.of("the way to model.safetensors")[0].headers["authorization"] == f"Bearer {MINE}"
    assert "authorization" not in hub.of("model.safetensors")[0].headers


@pytest.mark.parametrize(
    ("repository", "options", "why"),
    [
        (
            None,
            {},
            "{url} has no model {id}: check the name (org/name); if it is private, set HF_TOKEN to a token that",
        ),
        (
            Repository({}),
            {"revision": "v9"},
            "{id} has no revision v9: give a branch, a tag or a whole commit of {url}/{id}",
        ),
        (
            Repository({}, token=MINE),
            {},
            "{url} refused {id} (401): set HF_TOKEN to a valid token that may read {url}/",
        ),
    ],
    ids=["no such model", "no such revision", "a token that is not taken"],
)
def test_what_the_hub_refuses_is_told(
    hub: Hub, cache: Path, repository: Repository | None, options: dict[str, Any], why: str
) -> None:
    """Each with what would be right."""
    hub.repositories = {ID: repository} if repository else {}
    assert refusal(**options).startswith(why.format(url=hub.url, id=ID))


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("model.safetensors", 403, "refused acme/reranker (403): set HF_TOKEN"),
        ("model.safetensors", 404, "has no model acme/reranker"),
        ("model.safetensors", 500, "answered 500 for acme/reranker: model.safetensors; prepare the model again later"),
        ("config.json", 403, "refused acme/reranker (403): set HF_TOKEN"),
        ("config.json", 500, "answered 500 for acme/reranker: config.json; prepare the model again later"),
        (LIST, 403, "refused acme/reranker (403)"),
        (LIST, 503, "cannot be reached (it answered 503) and acme/reranker at main is not whole in the cache"),
        (LIST, 429, "cannot be reached (it answered 429)"),
    ],
)
def test_a_bad_answer_is_one_sentence(hub: Hub, cache: Path, name: str, status: int, why: str) -> None:
    """Whatever is asked for."""
    hub.faults[name] = Fault(status=status)
    assert why in refusal()


def test_a_mirror_that_lacks_a_file_is_told(hub: Hub, cache: Path) -> None:
    """It lists the file and does not have it."""
    del (repository := hub.repositories[ID]).files["config.json"]  # type: ignore[attr-defined]
    hub.faults[LIST] = Fault(body=json.dumps({"id": ID, "sha": COMMIT, "siblings": _siblings(repository)}).encode())
    assert refusal().startswith(f"{ID} has no config.json at {COMMIT}: see {hub.url}/{ID}, and that HF_ENDPOINT")


def _siblings(repository: Repository) -> list[dict[str, Any]]:
    return [{"rfilename": name, "size": 1} for name in [*repository.files, "config.json"]]


@pytest.mark.parametrize("body", [b"<html>log in first</html>", b'"text"', b"{}"])
def test_an_endpoint_that_is_no_hub_is_told(hub: Hub, cache: Path, body: bytes) -> None:
    """A captive portal, or a mistyped HF_ENDPOINT."""
    hub.faults[LIST] = Fault(body=body)
    assert refusal().startswith(f"{hub.url} cannot be reached (")


def test_a_hub_that_is_down_is_told_with_the_ways_out(hub: Hub, cache: Path) -> None:
    """The network, a mirror, or another machine."""
    hub.stop()
    sentence = refusal()
    assert sentence.startswith(f"{hub.url} cannot be reached (")
    assert sentence.endswith(
        f"{ID} at main is not whole in the cache ({cache}): check the network, let HF_ENDPOINT name a mirror, or fetch "
        f"the model on another machine and copy the cache"
    )


def test_a_hub_that_does_not_answer_is_given_up(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After HF_HUB_ETAG_TIMEOUT."""
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    hub.faults[LIST] = Fault(stalls_after=0)
    assert "cannot be reached" in refusal()


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_model_that_is_in_the_cache_needs_no_hub(hub: Hub, cache: Path, revision: str | None) -> None:
    """By its branch as it was last seen, or by its commit."""
    whole = fetch(ID)
    hub.stop()
    again = fetch(ID, revision=revision)
    assert (again.folder, again.files, again.source.revision) == (whole.folder, whole.files, COMMIT)


def test_a_model_that_is_half_in_the_cache_is_not_taken(hub: Hub, cache: Path) -> None:
    """Its weights never came."""
    hub.faults["model.safetensors"] = Fault(breaks_after=0)
    refusal()
    hub.stop()
    assert "is not whole in the cache" in refusal()


def test_a_sharded_model_that_lacks_a_shard_in_the_cache_is_not_taken(hub: Hub, cache: Path) -> None:
    """The index tells."""
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode()
    changes: dict[str, bytes | None] = {"model.safetensors": None, "model.safetensors.index.json": index}
    changes |= {"model-1.safetensors": b"1", "model-2.safetensors": b"2"}
    hub.repositories[ID] = Repository(files(**changes))
    folder = fetch(ID).folder
    hub.faults[LIST] = Fault(status=502)
    assert fetch(ID).folder == folder
    (folder / "model-2.safetensors").unlink()
    assert "is not whole in the cache" in refusal()


def test_no_telemetry_is_sent(hub: Hub, cache: Path) -> None:
    """Only the model is asked for, and the client does not name what else is installed or who runs it."""
    fetch(ID)
    assert not [asked.path for asked in hub.asked if "telemetry" in asked.path or "agent" in asked.path]
    agents = {asked.headers.get("user-agent", "") for asked in hub.asked}
    assert all(re.fullmatch(r"unknown/None; hf_hub/[\d.]+; python/[\d.]+", agent) for agent in agents), agents


def local(folder: Path, **changes: bytes | None) -> Path:
    for name, body in files(**changes).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def test_a_local_checkpoint_is_taken_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any path to it; it has no revision and no known licence."""
    folder = local(tmp_path / "mine")
    checkpoint = fetch(str(folder))
    assert checkpoint.folder == folder
    assert checkpoint.files["model.safetensors"] == sha256(WEIGHTS)
    assert (checkpoint.source.hub_id, checkpoint.source.revision, checkpoint.source.licence) == (
        "mine",
        "local",
        "unknown",
    )
    monkeypatch.chdir(tmp_path)
    assert fetch("mine").files == fetch("./mine").files == checkpoint.files
    assert refusal("mine", revision="v2").endswith("has no revision v2: leave the revision out")


def test_a_local_graph_needs_a_tokenizer_only(tmp_path: Path) -> None:
    """As opensearch's tiny cross-encoder comes."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    checkpoint = fetch(str(tmp_path), from_onnx=True)
    assert checkpoint.graph == tmp_path / "model.onnx"
    assert checkpoint.files == {"model.onnx": sha256(b"graph"), "tokenizer.json": sha256(b"{}")}


def test_a_local_pickle_is_refused(tmp_path: Path) -> None:
    """On this disk too."""
    assert "only as a pickle" in refusal(str(local(tmp_path / "mine", **{"model.safetensors": None})))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("./nowhere", "is not a folder: give a local checkpoint's folder"),
        ("nonsense", "is no model: give a known name, a hub id (org/name) or a folder (./nonsense)"),
        ("a/b/c", "is no model"),
        ("", "is no model"),
        ("embedded", "embedded ships with the project: there is nothing to prepare"),
    ],
)
def test_what_names_no_model_is_refused(model: str, why: str) -> None:
    """Without asking anybody."""
    assert why in refusal(model)


SCRIPT = """
import json, sys
from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch
try:
    checkpoint = fetch(sys.argv[1], from_onnx=True)
except PrepareError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({"files": checkpoint.files, "torch": "torch" in sys.modules or "transformers" in sys.modules}))
"""


def in_a_process_of_its_own(environ: Mapping[str, str]) -> dict[str, Any]:
    """Fetch with the client's own variables, which it reads when it is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ID],
        env=clean | {"NO_PROXY": "127.0.0.1"} | dict(environ),
        capture_output=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_clients_own_variables_hold(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_TOKEN and HF_HOME when it is fetched; HF_HUB_OFFLINE then, and in a home that lacks the model."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    fetched = in_a_process_of_its_own(environ | {"HF_TOKEN": MINE})
    assert fetched["files"]["onnx/model.onnx"] == sha256(b"graph" * 100)
    assert not fetched["torch"]
    assert (tmp_path / "home" / "hub" / "models--acme--reranker").is_dir()
    assert {asked.headers["authorization"] for asked in hub.of(LIST)} == {f"Bearer {MINE}"}
    hub.asked.clear()
    assert in_a_process_of_its_own(environ | {"HF_HUB_OFFLINE": "1"}) == fetched
    empty = in_a_process_of_its_own(environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "empty")})
    assert empty["error"] == (
        f"{ID} at main is not whole in the cache ({tmp_path / 'empty'}) and HF_HUB_OFFLINE forbids to ask the hub: "
        f"unset it, or fetch the model on another machine and copy the cache"
    )
    assert hub.asked == []


def test_a_checkpoint_is_exported_by_fetch() -> None:
    """The next steps import both names from here."""
    assert Checkpoint.__struct_fields__ == ("folder", "source", "files", "graph")
