"""Dense candidates from a real local server in OpenAI's format: exact, batched, retried, asked for once."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.candidates import embeddings
from bench.candidates.candidates import Dense, freeze
from bench.candidates.embeddings import EmbeddingsModel, embed
from bench.data import datasets
from bench.errors import BenchError, DataError, ServerError
from tests.support.embeddings_server import EmbeddingsServer, letters

WriteBeir = Callable[..., Path]


def _model(server: EmbeddingsServer, **more: Any) -> EmbeddingsModel:
    return EmbeddingsModel(server.url, "letters", **more)


def test_vectors_come_in_the_order_of_the_texts(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """Batches of 64, answered in reverse order by index; equal texts go out once; the key is a bearer token."""
    texts = [f"text {'abcdefghij'[n % 10] * n}" for n in range(150)] + ["text "]
    got = embed(_model(embeddings_server, key="sk-1"), texts, tmp_path / "new" / "cache")
    assert got == pytest.approx(np.array([letters(text) for text in texts]), abs=1e-7)
    assert [len(request["input"]) for request in embeddings_server.seen] == [64, 64, 22]
    assert {request["model"] for request in embeddings_server.seen} == {"letters"}
    assert set(embeddings_server.authorizations) == {"Bearer sk-1"}


def test_a_repeat_asks_nothing(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """What is on disk is not asked for again; a new text is; another model's vectors are its own."""
    cache = tmp_path / "cache"
    first = embed(_model(embeddings_server), ["a", "bc"], cache)
    assert (embed(_model(embeddings_server), ["bc", "a"], cache)[::-1] == first).all()
    assert len(embeddings_server.seen) == 1
    embed(_model(embeddings_server), ["a", "new"], cache)
    assert embeddings_server.seen[-1]["input"] == ["new"]
    embed(EmbeddingsModel(embeddings_server.url, "other"), ["a"], cache)
    assert embeddings_server.seen[-1] == {"model": "other", "input": ["a"], "encoding_format": "float"}


def test_what_came_before_a_failure_is_kept(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """The second of three batches is refused: the same call again asks for that one and the third only."""
    texts = [f"text {n}" for n in range(150)]
    vector, embeddings_server.vector = embeddings_server.vector, lambda text: [] if text == "text 70" else letters(text)
    with pytest.raises(ServerError, match="vector that is empty"):
        embed(_model(embeddings_server), texts, tmp_path / "cache")
    embeddings_server.vector = vector
    embed(_model(embeddings_server), texts, tmp_path / "cache")
    assert [request["input"][0] for request in embeddings_server.seen] == ["text 0", "text 64", "text 64", "text 128"]


def test_busy_and_broken_servers_are_waited_for(
    embeddings_server: EmbeddingsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429, 503 and 500 are tried again; the batch is whole in the end."""
    monkeypatch.setattr(embeddings, "wait_s", lambda *_: 0.0)
    embeddings_server.replies = [(429, {}), (503, {}), (500, {})]
    assert embed(_model(embeddings_server), ["a"], tmp_path / "cache").shape == (1, 26)
    assert len(embeddings_server.seen) == 4


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ((401, {"error": {"message": "wrong key"}}), "status 401: wrong key"),
        ((200, b"<html>"), "did not return embeddings"),
        ((200, {"data": [{"index": 0, "embedding": [1.0]}]}), "returned 1 vector for 2 texts"),
        ((200, {"data": [{"index": 1, "embedding": [1.0]}] * 2}), "returned 2 vectors for 2 texts"),
        ((200, {"data": [{"index": n, "embedding": [None]} for n in (0, 1)]}), "did not return embeddings"),
        ((200, {"data": [{"index": n, "embedding": [1.0] * (n + 1)} for n in (0, 1)]}), "of 1 and 2 dimensions"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_one_sentence(
    embeddings_server: EmbeddingsServer, tmp_path: Path, reply: tuple[int, Any], sentence: str
) -> None:
    """Refused, not JSON, a vector too few, an index twice, no numbers, unequal lengths."""
    embeddings_server.replies = [reply]
    with pytest.raises(ServerError, match=sentence):
        embed(_model(embeddings_server), ["a", "b"], tmp_path / "cache")
    assert len(embeddings_server.seen) == 1


def test_nobody_there_and_a_damaged_cache_are_told(no_one_there: str, tmp_path: Path) -> None:
    """An address that is none and a cache that is no database are one sentence each, before anybody is asked."""
    with pytest.raises(ServerError, match="no embeddings from nonsense/embeddings"):
        embed(EmbeddingsModel("nonsense/", "m"), ["a"], tmp_path / "cache")
    (tmp_path / "bad").write_bytes(b"not a database" * 1000)
    with pytest.raises(DataError, match="cannot be read or written"):
        embed(EmbeddingsModel(no_one_there, "m"), ["a"], tmp_path / "bad")


@pytest.mark.parametrize(
    ("given", "path"), [("", "/v1/embeddings"), ("/v1/", "/v1/embeddings"), ("/x/embeddings", "/x/embeddings")]
)
def test_the_url_may_be_host_base_or_whole(
    embeddings_server: EmbeddingsServer, tmp_path: Path, given: str, path: str
) -> None:
    """A bare host gets OpenAI's path, a base URL its last part, a whole address nothing."""
    embed(EmbeddingsModel(embeddings_server.url + given, "m"), ["a"], tmp_path / "cache")
    assert embeddings_server.paths == [path]


def test_candidates_are_the_largest_inner_products(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """The sample's lists equal numpy's own sort; depth, the source's name and the hash are as told."""
    sample = datasets.load(datasets.SAMPLE)
    frozen = freeze(sample, 5, dense=Dense(_model(embeddings_server), tmp_path / "cache"))
    ids, matrix = list(sample.documents), np.array([letters(text) for text in sample.documents.values()])
    for query_id, query in sample.queries.items():
        products = matrix @ np.array(letters(query))
        assert frozen.lists[query_id] == [ids[n] for n in np.argsort(-products)[:5]]
    assert frozen.source == "dense letters (exact inner product)"


def test_own_id_and_empty_documents_are_no_candidates_and_ties_keep_corpus_order(
    embeddings_server: EmbeddingsServer, tmp_path: Path, beir: WriteBeir
) -> None:
    """As with every source the query's own document makes room; a text that is empty is not even sent."""
    lines = [("q1", "ab"), ("z", "ba"), ("none", ""), ("a", "ab"), ("far", "xy")]
    corpus = "".join(f'{{"_id": "{i}", "text": "{text}"}}\n' for i, text in lines)
    folder = beir(corpus=corpus, queries='{"_id": "q1", "text": "ab"}', qrels="q1\ta\t1\n")
    frozen = freeze(datasets.load(folder), 3, dense=Dense(_model(embeddings_server), tmp_path / "cache"))
    assert frozen.lists == {"q1": ["z", "a", "far"]}
    assert "" not in embeddings_server.seen[0]["input"]


def test_noise_below_six_decimals_is_no_order(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """Two documents whose products differ in the seventh decimal keep corpus order, in the fourth they do not."""
    sample = datasets.load(datasets.SAMPLE)
    first, second = list(sample.documents)[:2]

    for difference, expected in ((1e-7, [first, second]), (1e-4, [second, first])):
        scores = {sample.documents[first]: 0.5, sample.documents[second]: 0.5 + difference} | dict.fromkeys(
            sample.queries.values(), 1.0
        )
        embeddings_server.vector = lambda text, scores=scores: [scores.get(text, 0.0)]  # type: ignore[misc]
        frozen = freeze(sample, 2, dense=Dense(_model(embeddings_server), tmp_path / str(difference)))
        assert frozen.lists["q1"] == expected


def test_equal_products_keep_corpus_order(embeddings_server: EmbeddingsServer, tmp_path: Path, beir: WriteBeir) -> None:
    """Among 400 documents of two kinds, the nearer come first, each kind in corpus order."""
    corpus = "".join(f'{{"_id": "d{n}", "text": "{"ab" if n % 2 else "abz"}"}}\n' for n in range(400))
    folder = beir(corpus=corpus, queries='{"_id": "q1", "text": "ab"}', qrels="q1\td1\t1\n")
    frozen = freeze(datasets.load(folder), 250, dense=Dense(_model(embeddings_server), tmp_path / "cache"))
    assert frozen.lists["q1"] == [f"d{n}" for n in [*range(1, 400, 2), *range(0, 400, 2)]][:250]


def test_the_key_is_in_no_message_and_no_cache(embeddings_server: EmbeddingsServer, tmp_path: Path) -> None:
    """Neither a failure's sentence nor the model's name in print nor the file shows it."""
    model = _model(embeddings_server, key="sk-secret")
    embed(model, ["a"], tmp_path / "cache")
    embeddings_server.replies = [(400, {"message": "no"})]
    with pytest.raises(BenchError) as told:
        embed(model, ["b"], tmp_path / "cache")
    assert "sk-secret" not in f"{told.value} {model}"
    assert b"sk-secret" not in (tmp_path / "cache").read_bytes()
    with sqlite3.connect(tmp_path / "cache") as store:
        assert store.execute("SELECT count(*) FROM vectors").fetchone() == (1,)
    store.close()
