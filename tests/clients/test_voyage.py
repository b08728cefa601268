"""The voyageai client, in two environments: the newest, and the one that LlamaIndex holds."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import voyageai
from voyageai.error import AuthenticationError, InvalidRequestError, RateLimitError

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server


def client(server: Server, key: str = "any") -> voyageai.Client:
    return voyageai.Client(api_key=key, base_url=f"{server.url}/voyage/v1")


def test_ranks(server: Server, scores: list[float]) -> None:
    """The right order with the server's scores; the client adds the documents itself."""
    answer = client(server).rerank(QUERY, DOCUMENTS, model=ANY_MODEL)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)
    assert [result.document for result in answer.results] == [DOCUMENTS[index] for index in ORDER]
    assert answer.total_tokens > 0


def test_top_k(server: Server, scores: list[float]) -> None:
    """Voyage's name for the limit."""
    answer = client(server).rerank(QUERY, DOCUMENTS, model=ANY_MODEL, top_k=2)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores, top_n=2)


def test_ranks_with_asyncio(server: Server, scores: list[float]) -> None:
    """The AsyncClient."""
    asked = voyageai.AsyncClient(api_key="any", base_url=f"{server.url}/voyage/v1")
    answer = asyncio.run(asked.rerank(QUERY, DOCUMENTS, model=ANY_MODEL))
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)


def test_a_key_opens_and_another_does_not(closed: Server, scores: list[float]) -> None:
    """The client sends `Bearer KEY`; a wrong one is its AuthenticationError, with the server's sentence."""
    answer = client(closed, KEY).rerank(QUERY, DOCUMENTS, model=MODEL)
    assert_ranked([(result.index, result.relevance_score) for result in answer.results], scores)
    with pytest.raises(AuthenticationError, match="API key"):
        client(closed, "sk-wrong").rerank(QUERY, DOCUMENTS, model=MODEL)


def test_a_bad_request_is_told(server: Server) -> None:
    """The client's InvalidRequestError, with the server's sentence."""
    with pytest.raises(InvalidRequestError, match="must not be empty"):
        client(server).rerank(QUERY, [], model=ANY_MODEL)


def test_what_must_not_be_cut_is_refused(server: Server) -> None:
    """`truncation=False` and a document beyond the window."""
    with pytest.raises(InvalidRequestError):
        client(server).rerank(QUERY, ["bamboo " * 3000], model=ANY_MODEL, truncation=False)


def test_a_full_server_is_a_rate_limit_error(occupied: Callable[[], AbstractContextManager[Server]]) -> None:
    """The client's own, which it retries if it is told to."""
    with occupied() as full, pytest.raises(RateLimitError):
        client(full).rerank(QUERY, DOCUMENTS, model=ANY_MODEL)
