"""AnswerDotAI's rerankers: its APIRanker by each provider that this server speaks."""

from typing import Any

import pytest
from rerankers import Reranker

from tests.clients.expected import BEST, DOCUMENTS, KEY, MODEL, QUERY, assert_ranked
from tests.support.server import Server

URLS = {
    "cohere": "/v1/rerank",
    "jina": "/v1/rerank",
    "voyage": "/voyage/v1/rerank",
    "text-embeddings-inference": "/rerank",
}
"""Its provider → the path: it wants the whole URL."""
PROVIDERS = pytest.mark.parametrize("provider", URLS)


def ranker(server: Server, provider: str, key: str = "any") -> Any:
    url = server.url + URLS[provider]
    return Reranker(MODEL, model_type="APIRanker", api_provider=provider, api_key=key, url=url, verbose=0)


@PROVIDERS
def test_ranks(server: Server, scores: list[float], provider: str) -> None:
    """The right order with the server's scores."""
    answer = ranker(server, provider).rank(query=QUERY, docs=DOCUMENTS)
    assert_ranked([(result.doc_id, result.score) for result in answer], scores)
    assert answer.top_k(1)[0].text == BEST


@PROVIDERS
def test_scores_one_document(server: Server, scores: list[float], provider: str) -> None:
    """`score`, which hands over a Document though its name says a string."""
    from rerankers.documents import Document

    assert ranker(server, provider).score(QUERY, Document(BEST, doc_id=0)) == pytest.approx(scores[1], abs=1e-5)


@PROVIDERS
def test_a_key_opens(closed: Server, scores: list[float], provider: str) -> None:
    """It sends `Bearer KEY`."""
    answer = ranker(closed, provider, KEY).rank(query=QUERY, docs=DOCUMENTS)
    assert_ranked([(result.doc_id, result.score) for result in answer], scores)


@PROVIDERS
def test_an_error_is_no_ranking(closed: Server, provider: str) -> None:
    """It reads no statuses and has no errors of its own: the error body must not pass for a ranking."""
    with pytest.raises((KeyError, TypeError)):
        ranker(closed, provider, "sk-wrong").rank(query=QUERY, docs=DOCUMENTS)
