"""infinity_client, generated from Infinity's own OpenAPI document: base URL `http://HOST/infinity`."""

import asyncio
from typing import Any

import pytest
from infinity_client.api.default import rerank
from infinity_client.client import AuthenticatedClient, Client
from infinity_client.errors import UnexpectedStatus
from infinity_client.models import HTTPValidationError, RerankInput, ReRankResult

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server


def client(server: Server) -> Client:
    return Client(base_url=f"{server.url}/infinity", raise_on_unexpected_status=True)


def with_key(server: Server, key: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=f"{server.url}/infinity", token=key, raise_on_unexpected_status=True)


def ranked(answer: Any) -> list[tuple[int, float]]:
    assert isinstance(answer, ReRankResult)
    return [(result.index, result.relevance_score) for result in answer.results]


def test_ranks(server: Server, scores: list[float]) -> None:
    """The right order with the server's scores, and every field that Infinity's document names."""
    answer = rerank.sync(client=client(server), body=RerankInput(query=QUERY, documents=DOCUMENTS, model=ANY_MODEL))
    assert_ranked(ranked(answer), scores)
    assert answer.object_ == "rerank"
    assert answer.model == ANY_MODEL
    assert answer.id
    assert answer.created > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_returned_documents_are_plain_strings(server: Server, scores: list[float]) -> None:
    """Here, and here alone; `top_n` limits."""
    body = RerankInput(query=QUERY, documents=DOCUMENTS, top_n=2, return_documents=True)
    answer = rerank.sync(client=client(server), body=body)
    assert_ranked(ranked(answer), scores, top_n=2)
    assert [result.document for result in answer.results] == [DOCUMENTS[index] for index in ORDER[:2]]


def test_raw_scores(server: Server, logits: list[float]) -> None:
    """Logits, if asked."""
    body = RerankInput(query=QUERY, documents=DOCUMENTS, raw_scores=True)
    assert_ranked(ranked(rerank.sync(client=client(server), body=body)), logits)


def test_ranks_with_asyncio(server: Server, scores: list[float]) -> None:
    """The generated `asyncio` function."""
    body = RerankInput(query=QUERY, documents=DOCUMENTS)
    assert_ranked(ranked(asyncio.run(rerank.asyncio(client=client(server), body=body))), scores)


def test_a_key_opens_and_another_does_not(closed: Server, scores: list[float]) -> None:
    """AuthenticatedClient sends `Bearer KEY`; a wrong one is an UnexpectedStatus with the server's sentence."""
    body = RerankInput(query=QUERY, documents=DOCUMENTS, model=MODEL)
    assert_ranked(ranked(rerank.sync(client=with_key(closed, KEY), body=body)), scores)
    with pytest.raises(UnexpectedStatus, match="API key") as caught:
        rerank.sync(client=with_key(closed, "sk-wrong"), body=body)
    assert caught.value.status_code == 401


def test_a_bad_request_is_a_validation_error(server: Server) -> None:
    """A 422 becomes its HTTPValidationError, which a `detail` that is a string would break."""
    body = RerankInput(query=" ", documents=DOCUMENTS)
    answer = rerank.sync(client=client(server), body=body)
    assert isinstance(answer, HTTPValidationError)
    assert answer["error"]["message"] == "query: must not be empty"
    assert answer["error"]["param"] == "query"
