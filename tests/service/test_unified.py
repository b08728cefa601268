"""The result object on the wire, as golden JSON."""

from typing import Any

import msgspec

from service.dialects.unified import answer, error_body
from service.errors import InvalidRequest
from service.job import Job, Ranked, Ranking, Stages

JOB = Job(query="q", documents=["first", "second"], return_documents=False)
RANKING = Ranking(
    results=[Ranked(1, 0.75), Ranked(0, 0.25)],
    tokens=12,
    stages=Stages(tokenise_s=0.001, queue_s=0, inference_s=0.002, total_s=0.004),
)


def on_the_wire(job: Job, ranking: Ranking = RANKING) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer(job, ranking, "embedded")))
    return body


def test_the_result_object() -> None:
    """Field for field what the contract of the unified object says; id and created are the only free ones."""
    body = on_the_wire(JOB)
    assert len(body.pop("id")) == 36
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "rerank",
        "model": "embedded",
        "results": [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}],
        "usage": {"prompt_tokens": 12, "total_tokens": 12},
        "meta": {"api_version": {"version": "2", "is_experimental": False}, "billed_units": {"search_units": 1}},
    }


def test_documents_come_back_only_when_asked_for() -> None:
    """As objects with text; never as null, which crashes clients."""
    body = on_the_wire(msgspec.structs.replace(JOB, return_documents=True))
    assert body["results"][0] == {"index": 1, "relevance_score": 0.75, "document": {"text": "second"}}


def test_the_clients_model_name_is_echoed() -> None:
    """Clients compare it with what they sent."""
    assert on_the_wire(msgspec.structs.replace(JOB, model="rerank-v3.5"))["model"] == "rerank-v3.5"


def test_search_units_count_hundreds_of_documents() -> None:
    """Up to 100 documents are one unit, 101 are two."""
    for documents, units in ((1, 1), (100, 1), (101, 2), (1000, 10)):
        body = on_the_wire(msgspec.structs.replace(JOB, documents=["d"] * documents))
        assert body["meta"]["billed_units"]["search_units"] == units


def test_the_error_body_serves_every_client() -> None:
    """OpenAI's error object, Cohere's message and Jina's detail in one body."""
    body = msgspec.json.decode(msgspec.json.encode(error_body(InvalidRequest("query: is missing", param="query"))))
    assert body == {
        "error": {"message": "query: is missing", "type": "invalid_request", "param": "query", "code": 422},
        "message": "query: is missing",
        "detail": "query: is missing",
    }
