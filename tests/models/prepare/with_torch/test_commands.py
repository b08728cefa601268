"""What a user types: `rerank serve` and `rerank models`, from a hub to a served model; true client, true server."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from models.catalogue import EMBEDDED, card_of
from models.prepare.torch_model import open_model
from models.scorer import sigmoid
from tests.support.hub import Hub, Repository
from tests.support.server import RERANK, Server, clean_environ
from tools.full_size.stand_in import make_checkpoint

pytestmark = pytest.mark.prepare

NAME = "ms-marco-MiniLM-L6-v2"
BGE = "bge-reranker-v2-m3"
BERT = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "id2label": {"0": "LABEL_0"},
}
XLM_ROBERTA = BERT | {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "model_type": "xlm-roberta",
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
QUERY = "what do pandas eat?"
DOCUMENTS = ["Bamboo, nearly always.", "Bread is baked in an oven, and eaten with butter.", "Pandas eat bamboo."]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models under the names of true ones, with the tokenizer that ships here."""
    shapes = {NAME: BERT, BGE: XLM_ROBERTA}
    return {
        name: make_checkpoint(tmp_path_factory.mktemp(name), shape, EMBEDDED, seed=1)  # of seed 0, int8 ranks too badly
        for name, shape in shapes.items()
    }


OWN = "acme/own"
"""A model of the hub that the catalogue does not know."""


@pytest.fixture(scope="module")
def hub(checkpoints: Mapping[str, Path]) -> Iterator[Hub]:
    """A hub that has them at the pinned commits."""
    repositories = {}
    for name, folder in checkpoints.items():
        card = card_of(name)
        assert card is not None
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        repositories[card.hub_id] = Repository(files, commits={"main": card.revision})
        if name == NAME:
            repositories[OWN] = Repository(files)
    with Hub(repositories) as running:
        yield running


@pytest.fixture(scope="module")
def environ(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The user's environment: the hub, an empty cache, an empty models folder."""
    home = tmp_path_factory.mktemp("home")
    ours = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "RERANK_MODELS_DIR": str(home / "models")}
    return ours | {"RERANK_DEVICE": "cpu"}


def rerank(*arguments: str, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `rerank` to its end."""
    whole = clean_environ() | dict(environ)
    return subprocess.run([str(RERANK), *arguments], env=whole, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def first_start(environ: Mapping[str, str]) -> Iterator[Server]:
    """A server that is asked for a model of the catalogue that nobody has prepared."""
    with Server("--model", NAME, environ=environ, wait_ready=False) as server:
        server.wait_ready()
        yield server


def test_serve_prepares_a_known_model_and_answers_what_torch_gives(
    first_start: Server, checkpoints: Mapping[str, Path]
) -> None:
    """From nothing but a hub: fetched, exported, int8, verified, served; scores near transformers' own."""
    answer = first_start.client.post("/v1/rerank", json={"query": QUERY, "documents": DOCUMENTS, "raw_scores": True})
    logits = {result["index"]: result["relevance_score"] for result in answer.json()["results"]}
    model = open_model(checkpoints[NAME])
    tokenizer = AutoTokenizer.from_pretrained(str(checkpoints[NAME]))  # BERT's class has its own layout of a pair
    with torch.inference_mode():
        expected = [model(**tokenizer(QUERY, text, return_tensors="pt")).logits.item() for text in DOCUMENTS]
    found = np.array([logits[index] for index in range(len(DOCUMENTS))])
    assert np.abs(sigmoid(found) - sigmoid(expected)).max() < 0.1
    assert first_start.client.get("/info").json()["model_id"].endswith(NAME)


def test_the_prepared_model_is_listed_and_verified(first_start: Server, environ: Mapping[str, str]) -> None:
    """`models list` says ready, `models verify` compares again and passes every gate."""
    listed = rerank("models", "list", environ=environ).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith(NAME)]
    assert " ready " in line
    assert " int8 " in line
    verified = rerank("models", "verify", NAME, environ=environ)
    assert verified.returncode == 0, verified.stderr
    assert "all gates passed" in verified.stdout
    assert "runs one pair at a time" in verified.stdout


def test_preparing_again_takes_what_is_there(first_start: Server, environ: Mapping[str, str], hub: Hub) -> None:
    """No request to the hub, the folder's name on stdout."""
    before = len(hub.asked)
    again = rerank("models", "prepare", NAME, environ=environ)
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == str(Path(environ["RERANK_MODELS_DIR"]) / NAME / "int8")
    assert "exists already" in again.stderr
    assert len(hub.asked) == before


def test_verify_finds_a_drifted_reference_and_a_changed_byte(
    first_start: Server, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Published scores that the model does not give end with 1, a changed file with 2; both are named."""
    scores = [{"source": "a test", "pairs": [[QUERY, DOCUMENTS[0]]], "logits": [99.0]}]
    (tmp_path / "published.json").write_text(json.dumps(scores))
    far = rerank("models", "verify", NAME, "--published", str(tmp_path / "published.json"), environ=environ)
    assert far.returncode == 1
    assert "published logit 99.000" in far.stderr
    sealed = Path(environ["RERANK_MODELS_DIR"]) / NAME / "int8"
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sealed.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    with (copy / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    changed = rerank("models", "verify", str(copy), environ=environ)
    assert changed.returncode == 2
    assert "tokenizer.json has changed since it was sealed" in changed.stderr


def test_serve_prepares_a_checkpoints_folder_and_a_hub_id(
    environ: Mapping[str, str], checkpoints: Mapping[str, Path], tmp_path: Path
) -> None:
    """Under names of their own: the folder is called like a model of the catalogue, and is not taken for it."""
    folder = shutil.copytree(checkpoints[NAME], tmp_path / BGE)
    listed = {}
    for model in (str(folder), OWN):
        with Server("--model", model, "--precision", "fp32", environ=environ, wait_ready=False) as server:
            server.wait_ready()
            listed[model] = server.client.get("/info").json()["served_model_name"]
            assert all(0 < score < 1 for score in server.scores(QUERY, DOCUMENTS))
    assert listed == {str(folder): f"local--{BGE}", OWN: "acme--own"}
    table = rerank("models", "list", environ=environ).stdout.splitlines()
    assert [line.split()[-1] for line in table if line.startswith(("acme--own", "local--"))] == [OWN, str(folder)]
    (folder / "model.safetensors").write_bytes(checkpoints[BGE].joinpath("model.safetensors").read_bytes())
    changed = rerank("serve", "--model", str(folder), "--port", "0", environ=environ)
    assert changed.returncode == 2
    assert changed.stderr.endswith(
        f"`rerank models prepare {folder} --precision fp32 --force` replaces it, and another --models-dir keeps both\n"
    )
    assert changed.stderr.count("\n") == 1


def test_wrong_weights_under_the_name_of_bge_are_not_served(environ: Mapping[str, str]) -> None:
    """The published scores are the acceptance test: random weights fail it, nothing is sealed, nothing is left."""
    served = rerank("serve", "--model", BGE, "--port", "0", environ=environ)
    assert served.returncode == 2
    assert "was not saved" in served.stderr
    assert "published logit 5.262 of 'what is panda?'" in served.stderr
    assert "Traceback" not in served.stderr
    assert not (Path(environ["RERANK_MODELS_DIR"]) / BGE).exists()


def test_a_model_that_is_nowhere_is_one_sentence(environ: Mapping[str, str]) -> None:
    """A hub without it, and a hub that is not there."""
    missing = rerank("models", "prepare", "acme/nothing", environ=environ)
    assert missing.returncode == 2
    assert "acme/nothing" in missing.stderr
    down = dict(environ) | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(Path(environ["HF_HOME"]) / "empty")}
    unreachable = rerank("models", "prepare", BGE, "--precision", "fp32", environ=down)
    assert unreachable.returncode == 2
    for done in (missing, unreachable):
        assert "Traceback" not in done.stderr
