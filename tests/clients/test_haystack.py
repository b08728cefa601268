"""Haystack's rankers: Cohere, Jina, text-embeddings-inference and NVIDIA, each with the URL that it takes."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from cohere.errors import BadRequestError, UnauthorizedError
from haystack import Document, Pipeline
from haystack.utils import Secret
from haystack_integrations.components.rankers.cohere import CohereRanker
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker, TruncationDirection
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.components.rankers.nvidia import NvidiaRanker

from tests.clients.expected import ANY_MODEL, BEST, DOCUMENTS, KEY, MODEL, QUERY, assert_ranked
from tests.support.server import Server

BLANK = " "
"""A query that every ranker sends and the server refuses."""


def cohere(server: Server, key: str = "any", **settings: Any) -> CohereRanker:
    return CohereRanker(api_base_url=server.url, api_key=Secret.from_token(key), **{"model": MODEL} | settings)


def jina(server: Server, key: str = "any", **settings: Any) -> JinaRanker:
    url = f"{server.url}/v1/rerank"
    return JinaRanker(base_url=url, api_key=Secret.from_token(key), **{"model": MODEL} | settings)


def tei(server: Server, key: str = "any", **settings: Any) -> HuggingFaceTEIRanker:
    return HuggingFaceTEIRanker(url=server.url, token=Secret.from_token(key), max_retries=1, **settings)


def nvidia(server: Server, key: str = "any", **settings: Any) -> NvidiaRanker:
    return NvidiaRanker(api_url=f"{server.url}/v1", api_key=Secret.from_token(key), **{"model": MODEL} | settings)


RANKERS = pytest.mark.parametrize("ranker", [cohere, jina, tei, nvidia], ids=lambda ranker: ranker.__name__)


def documents() -> list[Document]:
    return [Document(content=text, meta={"index": index}) for index, text in enumerate(DOCUMENTS)]


def ranked(answer: dict[str, Any]) -> list[tuple[int, float]]:
    return [(document.meta["index"], document.score) for document in answer["documents"]]


@RANKERS
def test_ranks(server: Server, scores: list[float], logits: list[float], ranker: Callable[..., Any]) -> None:
    """The right order with the server's scores, which are logits for NVIDIA's."""
    answer = ranker(server).run(query=QUERY, documents=documents())
    assert_ranked(ranked(answer), logits if ranker is nvidia else scores)


@RANKERS
def test_limits(server: Server, scores: list[float], logits: list[float], ranker: Callable[..., Any]) -> None:
    """`top_k`, in the constructor or in the call."""
    of_call = ranker(server).run(query=QUERY, documents=documents(), top_k=2)
    of_ranker = ranker(server, top_k=2).run(query=QUERY, documents=documents())
    for answer in (of_call, of_ranker):
        assert_ranked(ranked(answer), logits if ranker is nvidia else scores, top_n=2)


@pytest.mark.parametrize("ranker", [cohere, jina, tei], ids=lambda ranker: ranker.__name__)
def test_ranks_with_asyncio(server: Server, scores: list[float], ranker: Callable[..., Any]) -> None:
    """`run_async`, where the ranker has it."""
    answer = asyncio.run(ranker(server).run_async(query=QUERY, documents=documents()))
    assert_ranked(ranked(answer), scores)


def test_ranks_in_a_pipeline(server: Server, scores: list[float]) -> None:
    """As users run it."""
    pipeline = Pipeline()
    pipeline.add_component("ranker", cohere(server, model=ANY_MODEL))
    answer = pipeline.run({"ranker": {"query": QUERY, "documents": documents()}})
    assert_ranked(ranked(answer["ranker"]), scores)


def test_jinas_meta_is_filled(server: Server) -> None:
    """The model's name as it was sent, and the tokens."""
    meta = jina(server, model=ANY_MODEL).run(query=QUERY, documents=documents())["meta"]
    assert meta["model"] == ANY_MODEL
    assert meta["usage"]["total_tokens"] > 0


def test_jinas_threshold_has_scores_between_0_and_1_to_work_on(server: Server, scores: list[float]) -> None:
    """A threshold below the best score leaves that one."""
    best = max(scores)
    assert 0.5 < best < 1
    answer = jina(server, score_threshold=best - 0.01).run(query=QUERY, documents=documents())
    assert_ranked(ranked(answer), scores, top_n=1)


def test_tei_gives_logits_if_asked(server: Server, logits: list[float]) -> None:
    """`raw_scores`."""
    assert_ranked(ranked(tei(server, raw_scores=True).run(query=QUERY, documents=documents())), logits)


def test_tei_takes_a_truncation_direction(server: Server) -> None:
    """Right cuts a document's end off, Left its start: what is cut does not count."""
    long = f"{BEST} {'Bread is baked in an oven. ' * 200}"

    def score(direction: TruncationDirection) -> float:
        answer = tei(server).run(query=QUERY, documents=[Document(content=long)], truncation_direction=direction)
        return answer["documents"][0].score or 0.0

    assert score(TruncationDirection.RIGHT) > score(TruncationDirection.LEFT) + 0.1


@pytest.mark.parametrize("truncate", ["NONE", "END"])
def test_nvidia_takes_truncate(server: Server, logits: list[float], truncate: str) -> None:
    """Texts that fit are ranked with either."""
    assert_ranked(ranked(nvidia(server, truncate=truncate).run(query=QUERY, documents=documents())), logits)


@RANKERS
def test_a_key_opens(closed: Server, scores: list[float], logits: list[float], ranker: Callable[..., Any]) -> None:
    """Every ranker sends `Bearer KEY`."""
    answer = ranker(closed, KEY).run(query=QUERY, documents=documents())
    assert_ranked(ranked(answer), logits if ranker is nvidia else scores)


@pytest.mark.parametrize(
    ("ranker", "error", "says"),
    [
        (cohere, UnauthorizedError, "API key"),
        (jina, RuntimeError, "API key"),
        (tei, RuntimeError, "401.*API key"),
        (nvidia, ValueError, "Failed to query ranking endpoint.*API key"),
    ],
    ids=["cohere", "jina", "tei", "nvidia"],
)
def test_a_wrong_key_is_told(closed: Server, ranker: Callable[..., Any], error: type[Exception], says: str) -> None:
    """As each ranker's own error, with the server's sentence in it."""
    with pytest.raises(error, match=re.compile(says, re.DOTALL)):
        ranker(closed, "sk-wrong").run(query=QUERY, documents=documents())


@pytest.mark.parametrize(
    ("ranker", "error", "says"),
    [
        (cohere, BadRequestError, "invalid request: query: must not be empty"),
        (jina, RuntimeError, "^query: must not be empty$"),
        (tei, RuntimeError, "query: must not be empty"),
        (nvidia, ValueError, "query.text: must not be empty"),
    ],
    ids=["cohere", "jina", "tei", "nvidia"],
)
def test_a_bad_request_is_told(server: Server, ranker: Callable[..., Any], error: type[Exception], says: str) -> None:
    """As each ranker's own error, with the server's sentence in it."""
    with pytest.raises(error, match=says):
        ranker(server).run(query=BLANK, documents=documents())


def test_tei_names_the_error_type(server: Server) -> None:
    """Its body is text-embeddings-inference's: `error` a string, `error_type` capitalised."""
    with pytest.raises(RuntimeError, match='"error_type":"Empty"'):
        tei(server).run(query=BLANK, documents=documents())


def test_tei_retries_a_full_server_no_longer_than_told(
    occupied: Callable[[], AbstractContextManager[Server]],
) -> None:
    """429 is one of the statuses that it retries; then it is its RuntimeError."""
    with occupied() as full, pytest.raises(RuntimeError, match=r"429.*Overloaded"):
        tei(full).run(query=QUERY, documents=documents())
