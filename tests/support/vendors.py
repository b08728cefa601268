"""Local servers in every vendor's format: what a request must hold, how results, counts, errors and limits come back.

Written from the vendors' own reference pages and clients, not from the bench's dialects, so that both can be wrong
apart. A request without a field that the vendor demands is refused as the vendor refuses it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.fake_reranker import FakeReranker, Reply

Entries = Sequence[tuple[int, Any]]
"""Index and score of each result, in the order of the answer; tests put wrong ones in."""
Body = Any


def _relevance(entries: Entries) -> list[dict[str, Any]]:
    return [{"index": index, "relevance_score": score} for index, score in entries]


@dataclass(frozen=True)
class Vendor:
    """One vendor's wire."""

    dialect: str
    path: str
    frame: Callable[[Entries], Body]
    """Results as the vendor frames them."""
    error: Callable[[str], Body]
    needs: tuple[str, ...] = ("model", "query", "documents")
    documents: Callable[[dict[str, Any]], list[str]] = lambda request: request["documents"]
    query: Callable[[dict[str, Any]], str] = lambda request: request["query"]
    most: Callable[[dict[str, Any]], int | None] = lambda request: request.get("top_n")
    """How many results the request asks for; None is all."""
    best_first: bool = True
    """Whether results are ordered by score; False where they keep the order of the request."""
    headers: dict[str, str] = field(default_factory=dict)
    tokens: int | None = None
    search_units: int | None = None


def _message(message: str) -> Body:
    return {"message": message}


def _detail(message: str) -> Body:
    return {"detail": message}


def _openai(message: str) -> Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": 400}}


VENDORS = [
    Vendor(
        "tei",
        "/rerank",
        lambda entries: [{"index": index, "score": score} for index, score in entries],
        lambda message: {"error": message, "error_type": "Validation"},
        needs=("query", "texts"),
        documents=lambda request: request["texts"],
        headers={
            "x-compute-type": "cpu",
            "x-compute-tokens": "84",
            "x-total-time": "31",
            "x-tokenization-time": "1",
            "x-queue-time": "2",
            "x-inference-time": "28",
        },
        tokens=84,
    ),
    Vendor(
        "infinity",
        "/rerank",
        lambda entries: {
            "object": "rerank",
            "results": [{"relevance_score": score, "index": index, "document": None} for index, score in entries],
            "model": "m",
            "usage": {"prompt_tokens": 90, "total_tokens": 90},
            "id": "infinity-1",
            "created": 1,
        },
        _openai,
        needs=("query", "documents"),
        tokens=90,
    ),
    Vendor(
        "vllm",
        "/v1/rerank",
        lambda entries: {
            "id": "rerank-1",
            "model": "m",
            "usage": {"prompt_tokens": 91, "total_tokens": 91},
            "results": [
                {"index": index, "document": {"text": "a", "multi_modal": None}, "relevance_score": score}
                for index, score in entries
            ],
        },
        _openai,
        needs=("query", "documents"),
        most=lambda request: request.get("top_n") or None,
        tokens=91,
    ),
    Vendor(
        "vllm-score",
        "/v1/score",
        lambda entries: {
            "id": "score-1",
            "object": "list",
            "created": 1,
            "model": "m",
            "data": [{"index": index, "object": "score", "score": score} for index, score in entries],
            "usage": {"prompt_tokens": 97, "total_tokens": 97},
        },
        _openai,
        needs=("text_1", "text_2"),
        documents=lambda request: request["text_2"],
        query=lambda request: request["text_1"],
        most=lambda _: None,
        best_first=False,
        tokens=97,
    ),
    Vendor(
        "cohere",
        "/v2/rerank",
        lambda entries: {
            "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
            "results": _relevance(entries),
            "meta": {
                "api_version": {"version": "2", "is_experimental": False},
                "billed_units": {"search_units": 1},
            },
        },
        _message,
        search_units=1,
    ),
    Vendor(
        "jina",
        "/v1/rerank",
        lambda entries: {
            "model": "jina-reranker-v3",
            "object": "list",
            "usage": {"total_tokens": 92},
            "results": _relevance(entries),
        },
        _detail,
        tokens=92,
    ),
    Vendor(
        "voyage",
        "/v1/rerank",
        lambda entries: {
            "object": "list",
            "data": _relevance(entries),
            "model": "rerank-2.5",
            "usage": {"total_tokens": 93},
        },
        _detail,
        most=lambda request: request.get("top_k"),
        tokens=93,
    ),
    Vendor(
        "zeroentropy",
        "/v1/models/rerank",
        lambda entries: {
            "results": _relevance(entries),
            "total_bytes": 400,
            "total_tokens": 94,
            "actual_latency_mode": "fast",
            "e2e_latency": 0.11,
            "inference_latency": 0.07,
        },
        _detail,
        tokens=94,
    ),
    Vendor(
        "contextual",
        "/v1/rerank",
        lambda entries: {"results": _relevance(entries)},
        lambda message: {"detail": [{"loc": ["body", "query"], "msg": message, "type": "value_error"}]},
    ),
    Vendor(
        "nim",
        "/v1/ranking",
        lambda entries: {
            "rankings": [{"index": index, "logit": score} for index, score in entries],
            "usage": {"prompt_tokens": 95, "total_tokens": 95},
        },
        lambda message: {"object": "error", "message": message, "detail": {}, "type": "invalid_request_error"},
        needs=("model", "query", "passages"),
        documents=lambda request: [passage["text"] for passage in request["passages"]],
        query=lambda request: request["query"]["text"],
        tokens=95,
    ),
    Vendor(
        "mixedbread",
        "/v1/reranking",
        lambda entries: {
            "usage": {"prompt_tokens": 96, "total_tokens": 96, "completion_tokens": None},
            "model": "mixedbread-ai/mxbai-rerank-large-v2",
            "data": [
                {"index": index, "score": score, "input": None, "object": "rank_result"} for index, score in entries
            ],
            "object": "list",
            "top_k": 10,
            "return_input": False,
        },
        _detail,
        needs=("model", "query", "input"),
        documents=lambda request: request["input"],
        most=lambda request: request.get("top_k", 10),
        tokens=96,
    ),
]


class FakeVendor(FakeReranker):
    """A server in one vendor's format; scores are the shared words."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__()
        self.vendor = vendor
        self.path = vendor.path
        self.change: Callable[[list[tuple[int, Any]]], Entries] = lambda entries: entries
        """What a test does to the results before they are framed."""

    def answer(self, request: dict[str, Any]) -> Reply:
        lacks = [name for name in self.vendor.needs if not request.get(name)]
        if lacks:
            return Reply(422, self.vendor.error(f"field required: {', '.join(lacks)}"))
        query = self.vendor.query(request)
        scored = [(n, self.score(query, text)) for n, text in enumerate(self.vendor.documents(request))]
        ordered = sorted(scored, key=lambda entry: -entry[1]) if self.vendor.best_first else scored
        entries = ordered[: self.vendor.most(request)]
        return Reply(200, self.vendor.frame(self.change(entries)), self.vendor.headers)
