"""The cohere SDK, both of its APIs, with and without asyncio; in two environments, newest and 5.x."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import cohere
import pytest
from cohere.errors import (
    BadRequestError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
    UnprocessableEntityError,
)

from tests.clients.expected import ANY_MODEL, BEST, DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server

ONCE = {"max_retries": 0}


def v2(server: Server, key: str = "any") -> cohere.ClientV2:
    return cohere.ClientV2(api_key=key, base_url=server.url)


def v1(server: Server, key: str = "any") -> cohere.Client:
    return cohere.Client(api_key=key, base_url=server.url)


def refusals(server: Server) -> list[str]:
    """The lines of the metrics that count 429s."""
    return [line for line in server.client.get("/metrics").text.splitlines() if 'status="429"' in line]


def test_v2_ranks(server: Server, scores: list[float]) -> None:
    """The right order, the server's scores, and Cohere's frame around them."""
    answer = v2(server).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)
    assert answer.id
    assert answer.meta.api_version.version == "2"
    assert answer.meta.billed_units.search_units == 1


def test_v2_takes_all_of_its_parameters(server: Server, scores: list[float]) -> None:
    """`top_n` limits; `max_tokens_per_doc` and `priority` are taken."""
    answer = v2(server).rerank(
        model=ANY_MODEL, query=QUERY, documents=DOCUMENTS, top_n=2, max_tokens_per_doc=4096, priority=3
    )
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores, top_n=2)


def test_v2_reads_no_more_of_a_document_than_max_tokens_per_doc(server: Server) -> None:
    """With one token of each document the answer's sentence is beyond reach, so the scores change."""
    short = v2(server).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS, max_tokens_per_doc=1)
    assert max(result.relevance_score for result in short.results) < 0.5


def test_v2_takes_explicit_nulls(server: Server, scores: list[float]) -> None:
    """None is sent as null, and means as if absent."""
    answer = v2(server).rerank(
        model=ANY_MODEL, query=QUERY, documents=DOCUMENTS, top_n=None, max_tokens_per_doc=None, priority=None
    )
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)


def test_v1_returns_documents(server: Server, scores: list[float]) -> None:
    """`return_documents` brings each result its text."""
    answer = v1(server).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS, top_n=3, return_documents=True)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores, top_n=3)
    assert [result.document.text for result in answer.results] == [DOCUMENTS[index] for index in ORDER[:3]]


def test_v1_leaves_documents_out_unless_asked(server: Server) -> None:
    """No document, rather than an empty one."""
    answer = v1(server).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS)
    assert [result.document for result in answer.results] == [None] * len(DOCUMENTS)


def test_v1_ranks_by_the_fields_that_are_named(server: Server) -> None:
    """Object documents are ranked by `rank_fields`, and come back whole."""
    documents = [{"title": "Bread", "body": DOCUMENTS[0]}, {"title": "Pandas", "body": BEST}]
    answer = v1(server).rerank(
        model=ANY_MODEL, query=QUERY, documents=documents, rank_fields=["title", "body"], return_documents=True
    )
    assert [result.index for result in answer.results] == [1, 0]
    best = answer.results[0].document
    assert best.title == "Pandas"
    assert best.body == BEST


def test_v1_reads_long_documents_in_chunks(server: Server) -> None:
    """What stands far beyond the window is found with `max_chunks_per_doc`."""
    long = "Bread is baked in an oven. " * 200 + BEST
    rerank = v1(server).rerank
    cut = rerank(model=ANY_MODEL, query=QUERY, documents=[long], max_chunks_per_doc=1)
    whole = rerank(model=ANY_MODEL, query=QUERY, documents=[long], max_chunks_per_doc=10)
    assert cut.results[0].relevance_score < whole.results[0].relevance_score


@pytest.mark.parametrize("client", [cohere.AsyncClientV2, cohere.AsyncClient], ids=["v2", "v1"])
def test_ranks_with_asyncio(server: Server, scores: list[float], client: Any) -> None:
    """Ten requests at once, each its own answer."""

    async def ask() -> list[Any]:
        async with client(api_key="any", base_url=server.url) as asked:
            return await asyncio.gather(
                *(asked.rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS) for _ in range(10))
            )

    for answer in asyncio.run(ask()):
        assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)


@pytest.mark.parametrize("client", [v2, v1], ids=["v2", "v1"])
def test_a_key_opens_and_another_does_not(closed: Server, scores: list[float], client: Callable[..., Any]) -> None:
    """The SDK sends `Bearer KEY`; a wrong one is its UnauthorizedError, with the server's sentence."""
    answer = client(closed, KEY).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)
    with pytest.raises(UnauthorizedError) as caught:
        client(closed, "sk-wrong").rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert "API key" in caught.value.body["message"]


@pytest.mark.parametrize("client", [v2, v1], ids=["v2", "v1"])
def test_a_model_that_is_not_served_is_not_found(closed: Server, client: Callable[..., Any]) -> None:
    """Where the server is strict."""
    with pytest.raises(NotFoundError) as caught:
        client(closed, KEY).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS)
    assert ANY_MODEL in caught.value.body["message"]


def test_v2_says_bad_request(server: Server) -> None:
    """In Cohere's own words, and without a retry."""
    with pytest.raises(BadRequestError) as caught:
        v2(server).rerank(model=ANY_MODEL, query=QUERY, documents=[])
    assert caught.value.body == {"message": "invalid request: documents: list of documents must not be empty"}


def test_v1_says_unprocessable(server: Server) -> None:
    """The union's route says 422, which the SDK knows too."""
    with pytest.raises(UnprocessableEntityError) as caught:
        v1(server).rerank(model=ANY_MODEL, query=QUERY, documents=[])
    assert "must not be empty" in caught.value.body["message"]


@pytest.mark.parametrize("client", [v2, v1], ids=["v2", "v1"])
def test_a_full_server_says_too_many_requests(
    occupied: Callable[[], AbstractContextManager[Server]], client: Callable[..., Any]
) -> None:
    """The SDK's TooManyRequestsError, with `Retry-After`."""
    with occupied() as full, pytest.raises(TooManyRequestsError) as caught:
        client(full).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS, request_options=ONCE)
    assert "message" in caught.value.body
    assert int(caught.value.headers["retry-after"]) >= 1


def test_the_sdk_gets_through_once_there_is_room(
    occupied: Callable[[], AbstractContextManager[Server]], scores: list[float]
) -> None:
    """Its own retries honour `Retry-After`, and the second try is answered."""
    answers = []
    with occupied() as full:
        before = refusals(full)
        asking = threading.Thread(
            target=lambda: answers.append(v2(full).rerank(model=ANY_MODEL, query=QUERY, documents=DOCUMENTS))
        )
        asking.start()
        while refusals(full) == before:
            asking.join(0.05)
            assert asking.is_alive(), "it was answered without ever being told 429"
    asking.join(60)
    assert_ranked([(result.index, result.relevance_score) for result in answers[0].results], scores)
