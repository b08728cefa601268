"""The dialects over HTTP: one ranking in every one of them, errors with their own status and body, usage and cost."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.artefact import seal
from models.chunks import ChunkOptions
from models.scorer import Scorer, sigmoid
from tests.support.server import Server
from tests.support.smallest_requests import BODIES
from tests.support.texts import BEST, PASSAGES, QUERY
from tests.support.tiny import make_artefact

Asked = tuple[str, dict[str, Any], Callable[[Any], list[tuple[int, float]]]]
INDEXED = {"query": QUERY, "documents": PASSAGES}
RERANKS: dict[str, Asked] = {
    "union": ("/v1/rerank", INDEXED, lambda body: [(r["index"], r["relevance_score"]) for r in body["results"]]),
    "union on /rerank": (
        "/rerank",
        INDEXED,
        lambda body: [(r["index"], r["relevance_score"]) for r in body["results"]],
    ),
    "Cohere v2": ("/v2/rerank", INDEXED, lambda body: [(r["index"], r["relevance_score"]) for r in body["results"]]),
    "TEI": ("/rerank", {"query": QUERY, "texts": PASSAGES}, lambda body: [(r["index"], r["score"]) for r in body]),
    "Infinity": (
        "/infinity/rerank",
        INDEXED,
        lambda body: [(r["index"], r["relevance_score"]) for r in body["results"]],
    ),
    "Voyage": ("/voyage/v1/rerank", INDEXED, lambda body: [(r["index"], r["relevance_score"]) for r in body["data"]]),
    "NIM": (
        "/v1/ranking",
        {"query": {"text": QUERY}, "passages": [{"text": text} for text in PASSAGES]},
        lambda body: [(r["index"], float(sigmoid(r["logit"]))) for r in body["rankings"]],
    ),
}
SCORES: dict[str, Asked] = {
    "vLLM": (
        "/score",
        {"text_1": QUERY, "text_2": PASSAGES},
        lambda body: [(r["index"], r["score"]) for r in body["data"]],
    ),
    "TEI predict": (
        "/predict",
        {"inputs": [[QUERY, text] for text in PASSAGES]},
        lambda body: [(index, one["score"]) for index, (one,) in enumerate(body)],
    ),
}


@pytest.fixture(scope="module")
def expected(scorer: Scorer) -> list[float]:
    return [float(score) for score in scorer.scores(QUERY, PASSAGES)]


@pytest.mark.parametrize("name", RERANKS)
def test_every_dialect_gives_the_same_ranking(server: Server, name: str, expected: list[float]) -> None:
    """The in-process scorer's scores, best first, with the stage times."""
    path, body, read = RERANKS[name]
    answer = server.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    places = read(answer.json())
    assert [index for index, _ in places] == np.argsort(-np.array(expected), kind="stable").tolist()
    assert np.allclose([score for _, score in places], sorted(expected, reverse=True), atol=1e-5)
    assert answer.headers["server-timing"].startswith("tokenise;dur=")


@pytest.mark.parametrize("name", SCORES)
def test_scores_keep_the_requests_order(server: Server, name: str, expected: list[float]) -> None:
    """One for each pair."""
    path, body, read = SCORES[name]
    assert np.allclose(read(server.client.post(path, json=body).json()), list(enumerate(expected)), atol=1e-5)


def test_pairs_of_several_queries_are_scored_together(server: Server, scorer: Scorer) -> None:
    """Each with its own query."""
    queries = [QUERY, "bread", "bread", QUERY]
    texts = PASSAGES[:4]
    expected = [float(scorer.scores(query, [text])[0]) for query, text in zip(queries, texts, strict=True)]
    found = server.client.post("/v1/score", json={"text_1": queries, "text_2": texts}).json()["data"]
    assert np.allclose([one["score"] for one in found], expected, atol=1e-5)


def test_stage_times_of_text_embeddings_inference_are_headers(server: Server) -> None:
    """On its two routes, and on no other."""
    for path, body in (RERANKS["TEI"][:2], SCORES["TEI predict"][:2]):
        headers = server.client.post(path, json=body).headers
        assert headers["x-compute-type"] == "cpu"
        assert int(headers["x-compute-characters"]) == sum(len(QUERY) + len(text) for text in PASSAGES)
        assert int(headers["x-compute-tokens"]) == server.rerank(QUERY, PASSAGES).json()["usage"]["total_tokens"]
        assert {"x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time", "x-compute-time"} <= set(
            headers
        )
    assert "x-compute-type" not in server.rerank(QUERY, PASSAGES).headers


def error(message: str, param: str, code: int) -> dict[str, Any]:
    """The error object of OpenAI's shape."""
    return {"message": message, "type": "invalid_request", "param": param, "code": code}


UNCUT = "the document with index 0 does not fit the model's context window, and the request does not allow truncation"
LONG = {"query": {"text": "q"}, "passages": [{"text": "word " * 600}], "truncate": "NONE"}
NO_TEXT = "text_2: is missing: send a text or a list of texts"
REFUSALS: list[tuple[str, dict[str, Any], int, dict[str, Any]]] = [
    (
        "/rerank",
        {"query": "q", "texts": []},
        400,
        {"error": "texts: list of texts must not be empty", "error_type": "Empty"},
    ),
    (
        *("/rerank", {"query": "q", "texts": [7]}, 422),
        {"error": "texts[0]: expected str, got int", "error_type": "Validation"},
    ),
    (
        *("/predict", {"inputs": "alone"}, 422),
        {"error": "inputs: a reranker scores pairs: send [query, text]", "error_type": "Validation"},
    ),
    (
        *("/v2/rerank", {"query": "", "documents": ["a"]}, 400),
        {"message": "invalid request: query: must not be empty"},
    ),
    (
        "/voyage/v1/rerank",
        {"query": "q", "documents": []},
        400,
        {"detail": "documents: list of documents must not be empty"},
    ),
    ("/v1/score", {"text_1": "q"}, 400, {"error": error(NO_TEXT, "text_2", 400)}),
    (
        *("/infinity/rerank", {"query": "", "documents": ["a"]}, 422),
        {"error": error("query: must not be empty", "query", 422)},
    ),
    ("/v1/ranking", LONG, 422, {"object": "error", "message": UNCUT, "detail": UNCUT, "type": "invalid_request"}),
]


@pytest.mark.parametrize(("path", "body", "status", "answer"), REFUSALS)
def test_what_is_wrong_is_told_in_the_dialects_words(
    server: Server, path: str, body: dict[str, Any], status: int, answer: dict[str, Any]
) -> None:
    """Nothing more and nothing less than its own error body, with its own status."""
    refused = server.client.post(path, json=body)
    assert (refused.status_code, refused.json()) == (status, answer)


def test_a_text_is_cut_from_the_side_that_is_asked_for(server: Server, scorer: Scorer) -> None:
    """Left keeps the end of a text that is too long, right its start."""
    texts = [f"{PASSAGES[2]} " * 60 + PASSAGES[BEST]]
    body = {"query": QUERY, "texts": texts}
    left, right = (
        server.client.post("/rerank", json=body | {"truncation_direction": side}).json()[0]["score"]
        for side in ("Left", "right")
    )
    assert right == pytest.approx(float(scorer.scores(QUERY, texts)[0]), abs=1e-5)
    assert left == pytest.approx(float(scorer.scores(QUERY, texts, ChunkOptions(truncation_side="left"))[0]), abs=1e-5)
    assert left > right + 1e-4


def test_tokens_of_a_document_are_bounded_on_request(server: Server, scorer: Scorer) -> None:
    """The cohere client's max_tokens_per_doc; null and 0 are no bound."""
    tokens = {
        bound: server.rerank(QUERY, PASSAGES, max_tokens_per_doc=bound).json()["usage"]["total_tokens"]
        for bound in (None, 0, 4096, 3)
    }
    whole = sum(len(pair) for pair in scorer.tokeniser.pairs(QUERY, PASSAGES))
    empty = len(scorer.tokeniser.pairs(QUERY, [""])[0])
    assert tokens == {None: whole, 0: whole, 4096: whole, 3: len(PASSAGES) * (empty + 3)}


def test_a_model_with_a_price_tells_the_cost(tmp_path: Path) -> None:
    """In each answer's usage and, summed up, in the metrics, with the same tokens and search units."""
    made = make_artefact(tmp_path, "xlm-roberta")
    source = msgspec.structs.replace(made.manifest.source, hub_id="BAAI/bge-reranker-v2-m3")
    seal(tmp_path, msgspec.structs.replace(made.manifest, source=source))
    with Server("--model", str(tmp_path)) as priced:
        answers = [priced.rerank("what is a panda", ["a bear"] * count).json() for count in (1, 150)]
        metrics = priced.client.get("/metrics").text
    for answer in answers:
        assert answer["usage"]["cost_usd"] == pytest.approx(answer["usage"]["total_tokens"] * 0.020 / 1e6)
    read = dict(re.findall(r"^(\w+){model=.*} (\S+)$", metrics, re.MULTILINE))
    assert float(read["rerank_tokens_total"]) == sum(answer["usage"]["total_tokens"] for answer in answers)
    assert float(read["rerank_cost_usd_total"]) == pytest.approx(sum(answer["usage"]["cost_usd"] for answer in answers))
    units = [answer["meta"]["billed_units"]["search_units"] for answer in answers]
    assert units == [1, 2]
    assert float(read["rerank_search_units_total"]) == sum(units)


def test_a_model_without_a_price_tells_none(server: Server) -> None:
    """The field is left out."""
    assert "cost_usd" not in server.rerank(QUERY, PASSAGES).json()["usage"]


def test_millions_of_documents_are_counted_before_anything_is_made_of_them(server: Server) -> None:
    """On each route: 400,000 are refused with both counts."""
    many = ["a"] * 400_000
    for path, body in {
        "/v1/rerank": {"query": "q", "documents": [{"text": "a"}] * 400_000},
        "/rerank": {"query": "q", "texts": many},
        "/v2/rerank": {"query": "q", "documents": many},
        "/predict": {"inputs": [["q", "a"]] * 400_000},
        "/v1/score": {"text_1": many, "text_2": many},
        "/voyage/v1/rerank": {"query": "q", "documents": many},
        "/infinity/rerank": {"query": "q", "documents": many},
        "/v1/ranking": {"query": {"text": "q"}, "passages": [{"text": "a"}] * 400_000},
    }.items():
        refused = server.client.post(path, json=body)
        assert refused.status_code in {400, 422}, path
        assert "the request has 400000 documents, but at most 1000 are allowed" in refused.text


@pytest.mark.parametrize("path", BODIES)
def test_every_ranking_route_times_its_stages(server: Server, path: str) -> None:
    """Server-Timing on all."""
    headers = server.client.post(path, json=BODIES[path]).headers
    assert headers["server-timing"].startswith("tokenise;dur=")


def test_once_the_body_has_told_the_dialect_errors_are_in_it(server: Server) -> None:
    """On the route where two meet: one's fields, the other's, and both where neither is spoken."""

    def post(body: object) -> tuple[int, set[str]]:
        answer = server.client.post("/rerank", json=body)
        return answer.status_code, set(answer.json())

    assert post({"query": "q", "texts": []}) == (400, {"error", "error_type"})
    assert post({"query": "q", "documents": []}) == (422, {"error", "message", "detail"})
    assert post({"query": "q"}) == (422, {"error", "error_type", "message", "detail"})


def test_documents_come_back_only_when_asked_for(server: Server) -> None:
    """Left out, or null where Infinity has null."""
    body = {"query": "q", "documents": ["a"]}
    assert "document" not in server.client.post("/v1/rerank", json=body).json()["results"][0]
    assert "document" not in server.client.post("/voyage/v1/rerank", json=body).json()["data"][0]
    assert server.client.post("/infinity/rerank", json=body).json()["results"][0]["document"] is None


def test_nothing_to_rank_is_refused_everywhere(server: Server) -> None:
    """Empty queries and lists, in each shape; no bound on tokens is none."""
    for path, body in (
        ("/v1/ranking", {"query": {"text": " "}, "passages": [{"text": "a"}]}),
        ("/v1/ranking", {"query": {"text": "q"}, "passages": []}),
        ("/infinity/rerank", {"query": "q", "documents": []}),
    ):
        assert server.client.post(path, json=body).status_code == 422
    unbounded = {"query": "q", "documents": ["a"], "max_tokens_per_doc": 0}
    assert server.client.post("/v2/rerank", json=unbounded).status_code == 200


def test_logits_instead_of_scores_on_request(server: Server) -> None:
    """vLLM's name for it."""
    raw = server.client.post("/score", json={"text_1": "q", "text_2": "a", "use_activation": False}).json()
    assert raw["data"][0]["score"] == server.scores("q", ["a"], raw_scores=True)[0]


def test_any_name_is_described_where_names_are_not_strict(server: Server) -> None:
    """With what Xinference's and Dify's clients look for."""
    told = server.client.get("/v1/models/org/any").json()
    assert {told[field] for field in ("id", "model_name", "model_uid")} == {"org/any"}
    assert (told["model_type"], told["max_tokens"], told["context_length"]) == ("rerank", 512, 512)


def test_metrics_count_every_pair_and_label_by_template(server: Server) -> None:
    """Documents of all queries; a path's parameter is no label."""

    def value(name: str) -> float:
        lines = server.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    documents, units = value("rerank_request_documents_sum"), value("rerank_search_units_total")
    server.client.post("/predict", json={"inputs": [["q", "a"], ["q", "b"], ["r", "c"]]})
    server.client.get("/v1/models/any-name")
    assert (value("rerank_request_documents_sum") - documents, value("rerank_search_units_total") - units) == (3, 2)
    assert "any-name" not in server.client.get("/metrics").text
