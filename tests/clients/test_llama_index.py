"""LlamaIndex's rerankers: Cohere, text-embeddings-inference, Jina, NVIDIA and Xinference, each with its URL."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cohere.errors import BadRequestError, UnauthorizedError
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.nvidia_rerank import NVIDIARerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
from llama_index.postprocessor.xinference_rerank import XinferenceRerank

from tests.clients.expected import DOCUMENTS, KEY, MODEL, QUERY, assert_ranked
from tests.support.server import Server


def cohere(server: Server, key: str = "any", top_n: int = 4) -> CohereRerank:
    return CohereRerank(top_n=top_n, model=MODEL, api_key=key, base_url=server.url, max_retries=1)


def tei(server: Server, key: str = "any", top_n: int = 4) -> TextEmbeddingInference:
    return TextEmbeddingInference(top_n=top_n, base_url=server.url, auth_token=key)


def jina(server: Server, key: str = "any", top_n: int = 4) -> JinaRerank:
    return JinaRerank(top_n=top_n, model=MODEL, base_url=f"{server.url}/v1", api_key=key)


def nvidia(server: Server, key: str = "any", top_n: int = 4) -> NVIDIARerank:
    return NVIDIARerank(top_n=top_n, model=MODEL, base_url=f"{server.url}/v1", api_key=key)


def xinference(server: Server, top_n: int = 4) -> XinferenceRerank:
    return XinferenceRerank(top_n=top_n, model=MODEL, base_url=server.url)


WITH_KEYS = pytest.mark.parametrize("reranker", [cohere, tei, jina, nvidia], ids=["cohere", "tei", "jina", "nvidia"])
RERANKERS = pytest.mark.parametrize(
    "reranker", [cohere, tei, jina, nvidia, xinference], ids=["cohere", "tei", "jina", "nvidia", "xinference"]
)


def nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=str(index))) for index, text in enumerate(DOCUMENTS)]


def ranked(found: list[NodeWithScore]) -> list[tuple[int, float]]:
    return [(int(node.node.node_id), node.score or 0.0) for node in found]


@RERANKERS
def test_ranks(server: Server, scores: list[float], logits: list[float], reranker: Callable[..., Any]) -> None:
    """The right order with the server's scores, which are logits for NVIDIA's."""
    found = reranker(server).postprocess_nodes(nodes(), query_str=QUERY)
    assert_ranked(ranked(found), logits if reranker is nvidia else scores)


@RERANKERS
def test_top_n(server: Server, scores: list[float], logits: list[float], reranker: Callable[..., Any]) -> None:
    """The reranker's `top_n` limits the results."""
    found = reranker(server, top_n=2).postprocess_nodes(nodes(), query_str=QUERY)
    assert_ranked(ranked(found), logits if reranker is nvidia else scores, top_n=2)


@WITH_KEYS
def test_a_key_opens(closed: Server, scores: list[float], logits: list[float], reranker: Callable[..., Any]) -> None:
    """Each sends `Bearer KEY` but TEI's, which sends the bare key."""
    found = reranker(closed, KEY).postprocess_nodes(nodes(), query_str=QUERY)
    assert_ranked(ranked(found), logits if reranker is nvidia else scores)


def test_tei_may_write_bearer_itself(closed: Server, scores: list[float]) -> None:
    """As its users do for other servers."""
    assert_ranked(ranked(tei(closed, f"Bearer {KEY}").postprocess_nodes(nodes(), query_str=QUERY)), scores)


def test_nvidia_finds_the_model_by_itself(server: Server, logits: list[float]) -> None:
    """Without a model's name it takes the one that `/v1/models` lists, and warns."""
    with pytest.warns(UserWarning, match=f"Default model is set as: {MODEL}"):
        found = NVIDIARerank(top_n=4, base_url=f"{server.url}/v1").postprocess_nodes(nodes(), query_str=QUERY)
    assert_ranked(ranked(found), logits)


@pytest.mark.parametrize(
    ("reranker", "error", "says"),
    [
        (cohere, UnauthorizedError, "API key"),
        (tei, (AssertionError, TypeError), ""),
        (jina, RuntimeError, "API key"),
        (nvidia, httpx.HTTPStatusError, "401"),
    ],
    ids=["cohere", "tei", "jina", "nvidia"],
)
def test_a_wrong_key_is_told(closed: Server, reranker: Callable[..., Any], error: Any, says: str) -> None:
    """As far as the reranker can: TEI's looks at no status and only misses its scores."""
    with pytest.raises(error, match=says):
        reranker(closed, "sk-wrong").postprocess_nodes(nodes(), query_str=QUERY)


@pytest.mark.parametrize(
    ("reranker", "error", "says"),
    [
        (cohere, BadRequestError, "query: must not be empty"),
        (tei, (AssertionError, TypeError), ""),
        (jina, RuntimeError, "^query: must not be empty$"),
        (nvidia, httpx.HTTPStatusError, "422"),
        (xinference, Exception, "422.Details: .*query: must not be empty"),
    ],
    ids=["cohere", "tei", "jina", "nvidia", "xinference"],
)
def test_a_bad_request_is_told(server: Server, reranker: Callable[..., Any], error: Any, says: str) -> None:
    """As far as the reranker can."""
    with pytest.raises(error, match=says):
        reranker(server).postprocess_nodes(nodes(), query_str=" ")
