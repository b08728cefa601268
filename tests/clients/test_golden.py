"""Dify, RAGFlow and Open WebUI by the bytes that they send: they are applications, and not installed here.

Each test sends the body as the application's code writes it and reads the answer as its code does; wire.md names the
clients. Sources: Dify's OpenAI-compatible, text-embeddings-inference and Xinference rerank providers, RAGFlow's
`rag/llm/rerank_model.py`, Open WebUI's `retrieval/models/external.py`.
"""

import json
from typing import Any

import pytest

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server

TEXTS = json.dumps(DOCUMENTS)
HEAD = f'{{"model": "{MODEL}", "query": "{QUERY}", '
"""How most of these bodies start."""


def send(server: Server, path: str, body: str, headers: dict[str, str] | None = None) -> Any:
    """POST the bytes and give the answer's JSON."""
    told = {"Content-Type": "application/json"} | (headers or {})
    answer = server.client.post(path, content=body.encode(), headers=told)
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_place(answer: Any) -> list[tuple[int, float]]:
    return [(result["index"], result["relevance_score"]) for result in answer["results"]]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_dify_openai_compatible(server: Server, scores: list[float], path: str) -> None:
    """`top_n` null, `return_documents` true; a document that is there must be an object with `text`, or a string."""
    body = HEAD + f'"documents": {TEXTS}, "top_n": null, "return_documents": true}}'
    answer = send(server, path, body, {"Authorization": "Bearer any"})
    assert_ranked(by_place(answer), scores)
    assert [result["document"]["text"] for result in answer["results"]] == [DOCUMENTS[index] for index in ORDER]


def test_dify_openai_compatible_without_a_key(server: Server, scores: list[float]) -> None:
    """The newer provider sends an empty Authorization header when no key is set."""
    body = HEAD + f'"documents": {TEXTS}, "top_n": 4}}'
    assert_ranked(by_place(send(server, "/v1/rerank", body, {"Authorization": ""})), scores)


def test_dify_tei(server: Server, scores: list[float]) -> None:
    """`/info` must say that this is a reranker and how much fits; `/rerank` gives each text back."""
    info = server.client.get("/info").json()
    assert list(info["model_type"]) == ["reranker"]
    assert info["max_input_length"] == 512
    assert info["max_client_batch_size"] >= len(DOCUMENTS)
    answer = send(server, "/rerank", f'{{"query":"{QUERY}","texts":{TEXTS},"return_text":true}}')
    assert_ranked([(place["index"], place["score"]) for place in answer], scores)
    assert [place["text"] for place in answer] == [DOCUMENTS[index] for index in ORDER]


def test_dify_xinference(server: Server) -> None:
    """Its provider wants a rerank model under `/v1/models/{id}`, and reads the context off it."""
    described = server.client.get(f"/v1/models/{ANY_MODEL}").json()
    assert described["model_type"] == "rerank"
    assert described["context_length"] == described["max_tokens"] == 512


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ('{"query": " ", "texts": ["a"]}', 400, "Empty"),
        ('{"query": "q", "texts": []}', 400, "Empty"),
        ('{"query": "q", "texts": [1]}', 422, "Validation"),
    ],
)
def test_a_tei_error_is_two_strings(server: Server, body: str, status: int, kind: str) -> None:
    """`error` is a sentence, and no object as it is elsewhere; `error_type` is capitalised."""
    answer = server.client.post("/rerank", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json() == {"error": answer.json()["error"], "error_type": kind}
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_open_webui(server: Server, scores: list[float], path: str) -> None:
    """As many results as documents, which it sorts by `index` again."""
    headers = {
        "Authorization": "Bearer any",
        "X-OpenWebUI-User-Name": "Ada%20L",
        "X-OpenWebUI-User-Id": "1",
        "X-OpenWebUI-User-Email": "ada@example.org",
        "X-OpenWebUI-User-Role": "user",
    }
    answer = send(server, path, HEAD + f'"documents": {TEXTS}, "top_n": {len(DOCUMENTS)}}}', headers)
    given = [result["relevance_score"] for result in sorted(answer["results"], key=lambda result: result["index"])]
    assert given == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_ragflow_jina_localai_openai(server: Server, scores: list[float], path: str) -> None:
    """Three of its providers send the same; Jina's counts `usage.total_tokens`."""
    answer = send(server, path, HEAD + f'"documents": {TEXTS}, "top_n": {len(DOCUMENTS)}}}')
    assert_ranked(by_place(answer), scores)
    assert answer["usage"]["total_tokens"] > 0


def test_ragflow_xinference(server: Server, scores: list[float]) -> None:
    """Booleans come as strings."""
    body = HEAD + f'"return_documents": "true", "return_len": "true", "documents": {TEXTS}}}'
    answer = send(server, "/v1/rerank", body)
    assert_ranked(by_place(answer), scores)
    assert answer["results"][0]["document"] == {"text": DOCUMENTS[ORDER[0]]}


def test_ragflow_siliconflow(server: Server, scores: list[float]) -> None:
    """1024 chunks a document and an overlap of 80 are taken."""
    body = (
        HEAD + f'"documents": {TEXTS}, "top_n": 4, "return_documents": false, "max_chunks_per_doc": 1024, '
        '"overlap_tokens": 80}'
    )
    answer = send(server, "/v1/rerank", body, {"accept": "application/json", "authorization": "Bearer any"})
    assert_ranked(by_place(answer), scores)
    assert not any("document" in result for result in answer["results"])


def test_ragflow_huggingface(server: Server, scores: list[float]) -> None:
    """Its text-embeddings-inference provider sends 8 texts a request at most."""
    body = f'{{"query": "{QUERY}", "texts": {TEXTS}, "raw_scores": false, "truncate": true}}'
    assert_ranked([(place["index"], place["score"]) for place in send(server, "/rerank", body)], scores)


def test_ragflow_nvidia(server: Server, logits: list[float]) -> None:
    """A `top_n` that NIM does not have is no error."""
    passages = json.dumps([{"text": text} for text in DOCUMENTS])
    body = (
        HEAD.replace(f'"{QUERY}"', f'{{"text": "{QUERY}"}}')
        + f'"passages": {passages}, "truncate": "END", "top_n": 4}}'
    )
    answer = send(server, "/v1/ranking", body)
    assert_ranked([(place["index"], place["logit"]) for place in answer["rankings"]], logits)


@pytest.mark.parametrize("authorization", [f"Bearer {KEY}", f"bearer {KEY}", KEY])
@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_a_key_in_any_spelling(closed: Server, scores: list[float], path: str, authorization: str) -> None:
    """As the applications write it; a wrong one is a 401 with a sentence where each of them looks."""
    body = HEAD + f'"documents": {TEXTS}}}'
    assert_ranked(by_place(send(closed, path, body, {"Authorization": authorization})), scores)
    refused = closed.client.post(path, content=body, headers={"Authorization": f"{authorization}x"})
    assert refused.status_code == 401
    assert "API key" in refused.json()["detail"]
    assert "API key" in refused.json()["message"]
