"""LangChain's CohereRerank (langchain-cohere) and InfinityRerank (langchain-community)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from cohere.errors import BadRequestError, TooManyRequestsError, UnauthorizedError
from infinity_client.client import Client
from infinity_client.errors import UnexpectedStatus
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_cohere import CohereRerank
from langchain_community.document_compressors.infinity_rerank import InfinityRerank
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, QUERY, assert_ranked
from tests.support.server import Server


def cohere(server: Server, key: str = "any", **settings: Any) -> CohereRerank:
    return CohereRerank(cohere_api_key=key, base_url=server.url, **{"model": MODEL} | settings)


def infinity(server: Server, key: str = "any", **settings: Any) -> InfinityRerank:
    headers = {"Authorization": f"Bearer {key}"}  # it insists on this class, which has no token
    client = Client(base_url=f"{server.url}/infinity", headers=headers, raise_on_unexpected_status=True)
    return InfinityRerank(client=client, **{"model": MODEL} | settings)


COMPRESSORS = pytest.mark.parametrize("compressor", [cohere, infinity], ids=["cohere", "infinity"])


class Everything(BaseRetriever):  # type: ignore[misc] # untyped where the clients are not installed
    """A retriever that finds all documents, in their order."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        return documents()


def documents() -> list[Document]:
    return [Document(text, metadata={"index": index}) for index, text in enumerate(DOCUMENTS)]


def ranked(found: Any) -> list[tuple[int, float]]:
    return [(document.metadata["index"], document.metadata["relevance_score"]) for document in found]


@COMPRESSORS
def test_compresses_documents(server: Server, scores: list[float], compressor: Callable[..., Any]) -> None:
    """The right order with the server's scores, and 3 documents, LangChain's default."""
    assert_ranked(ranked(compressor(server).compress_documents(documents(), QUERY)), scores, top_n=3)


@COMPRESSORS
def test_top_n(server: Server, scores: list[float], compressor: Callable[..., Any]) -> None:
    """The compressor's `top_n` limits the results; None returns all."""
    two = compressor(server, top_n=2).compress_documents(documents(), QUERY)
    assert_ranked(ranked(two), scores, top_n=2)
    every = compressor(server, top_n=None).rerank(DOCUMENTS, QUERY)
    assert_ranked([(result["index"], result["relevance_score"]) for result in every], scores)


@COMPRESSORS
def test_ranks_what_a_retriever_finds(server: Server, scores: list[float], compressor: Callable[..., Any]) -> None:
    """In a ContextualCompressionRetriever, as users run it."""
    retriever = ContextualCompressionRetriever(base_compressor=compressor(server), base_retriever=Everything())
    assert_ranked(ranked(retriever.invoke(QUERY)), scores, top_n=3)


def test_object_documents_go_as_yaml(server: Server) -> None:
    """CohereRerank writes objects, or their `rank_fields`, as YAML."""
    objects = [{"title": "text", "body": text} for text in DOCUMENTS]
    assert cohere(server).rerank(objects, QUERY, rank_fields=["body"])[0]["index"] == 1
    assert cohere(server).rerank(objects, QUERY, max_tokens_per_doc=400)[0]["index"] == 1


@COMPRESSORS
def test_a_key_opens(closed: Server, scores: list[float], compressor: Callable[..., Any]) -> None:
    """CohereRerank sends `Bearer KEY` itself, InfinityRerank's client what it is given."""
    assert_ranked(ranked(compressor(closed, KEY).compress_documents(documents(), QUERY)), scores, top_n=3)


@pytest.mark.parametrize(
    ("compressor", "error"), [(cohere, UnauthorizedError), (infinity, UnexpectedStatus)], ids=["cohere", "infinity"]
)
def test_a_wrong_key_is_told(closed: Server, compressor: Callable[..., Any], error: type[Exception]) -> None:
    """As the error of the client below, with the server's sentence."""
    with pytest.raises(error, match="API key"):
        compressor(closed, "sk-wrong").compress_documents(documents(), QUERY)


def test_a_bad_request_is_told(server: Server) -> None:
    """As Cohere's error; InfinityRerank has none (see test_infinity.py)."""
    with pytest.raises(BadRequestError, match="query: must not be empty"):
        cohere(server, model=ANY_MODEL).compress_documents(documents(), " ")


def test_infinity_takes_no_error_for_a_ranking(server: Server) -> None:
    """A 422 is an object without results to InfinityRerank, which it cannot go through."""
    with pytest.raises((KeyError, TypeError)):
        infinity(server).compress_documents(documents(), " ")


def test_a_full_server_is_told(occupied: Callable[[], AbstractContextManager[Server]]) -> None:
    """As Cohere's error, after the SDK's own retries."""
    with occupied() as full, pytest.raises(TooManyRequestsError):
        cohere(full).compress_documents(documents(), QUERY)
