"""Xinference's client, which asks what kind of model it is before it ranks; Dify's Xinference provider uses it too."""

import asyncio
from typing import Any

import pytest
from xinference_client import AsyncRESTfulClient, RESTfulClient
from xinference_client.client.restful.restful_client import RESTfulRerankModelHandle

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server

NAMES = pytest.mark.parametrize("name", [MODEL, ANY_MODEL, "BAAI/bge-reranker-v2-m3"])


@NAMES
def test_finds_a_rerank_model_and_ranks(server: Server, scores: list[float], name: str) -> None:
    """Whatever the model is called, also with a slash: `model_type` is `rerank`, so the handle can rank."""
    model = RESTfulClient(server.url).get_model(name)
    assert isinstance(model, RESTfulRerankModelHandle)
    answer = model.rerank(documents=DOCUMENTS, query=QUERY)
    assert_ranked([(result["index"], result["relevance_score"]) for result in answer["results"]], scores)


def test_all_of_its_parameters(server: Server, scores: list[float]) -> None:
    """`top_n`, `max_chunks_per_doc`, `return_documents`, `return_len`, and any other by name."""
    answer = (
        RESTfulClient(server.url)
        .get_model(MODEL)
        .rerank(
            documents=DOCUMENTS,
            query=QUERY,
            top_n=2,
            max_chunks_per_doc=1,
            return_documents=True,
            return_len=True,
            normalize=True,
        )
    )
    assert_ranked([(result["index"], result["relevance_score"]) for result in answer["results"]], scores, top_n=2)
    assert [result["document"]["text"] for result in answer["results"]] == [DOCUMENTS[index] for index in ORDER[:2]]
    assert answer["meta"]["tokens"]["input_tokens"] > 0


@pytest.mark.parametrize("key", [None, KEY])
def test_ranks_with_asyncio(server: Server, closed: Server, scores: list[float], key: str | None) -> None:
    """The AsyncRESTfulClient, which asks for the keys in the same way."""

    async def ask() -> Any:
        client = AsyncRESTfulClient((closed if key else server).url, api_key=key)
        model = await client.get_model(MODEL)
        answer = await model.rerank(documents=DOCUMENTS, query=QUERY)
        await model.close()
        await client.close()
        return answer

    answer = asyncio.run(ask())
    assert_ranked([(result["index"], result["relevance_score"]) for result in answer["results"]], scores)


def test_lists_the_model(server: Server) -> None:
    """`list_models`."""
    assert RESTfulClient(server.url).list_models()[MODEL]["model_type"] == "rerank"


def test_dify_finds_the_context_length(server: Server) -> None:
    """Dify's Xinference provider reads it, or `max_tokens`, off the model's description."""
    described = RESTfulClient(server.url).describe_model(MODEL)
    assert described["context_length"] == described["max_tokens"] == 512


def test_a_key_opens_and_another_does_not(closed: Server, scores: list[float]) -> None:
    """The client sends its key only after `/v1/cluster/auth` told it, without one, that keys are wanted."""
    answer = RESTfulClient(closed.url, api_key=KEY).get_model(MODEL).rerank(documents=DOCUMENTS, query=QUERY)
    assert_ranked([(result["index"], result["relevance_score"]) for result in answer["results"]], scores)
    with pytest.raises(RuntimeError, match="API key"):
        RESTfulClient(closed.url, api_key="sk-wrong").get_model(MODEL)


def test_a_bad_request_is_told(server: Server) -> None:
    """As the client's RuntimeError, with the server's sentence."""
    model = RESTfulClient(server.url).get_model(MODEL)
    with pytest.raises(RuntimeError, match=r"Failed to rerank documents, detail: .*must not be empty"):
        model.rerank(documents=[], query=QUERY)


def test_a_model_that_is_not_served_is_told(closed: Server) -> None:
    """Where the server is strict."""
    with pytest.raises(RuntimeError, match=f"Failed to get the model description, detail: .*{ANY_MODEL}"):
        RESTfulClient(closed.url, api_key=KEY).get_model(ANY_MODEL)
