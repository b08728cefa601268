"""This project's real server through every contestant whose dialect it speaks: the same scores in each."""

import asyncio
import math

import pytest

from bench.client.client import Answer, Client
from bench.contestants.contestant import Contestant, parse
from bench.settings import Settings
from tests.support.server import Server

QUERY = "what do giant pandas eat?"
DOCUMENTS = [
    "A panda car was built in Italy.",
    "The giant panda eats almost nothing but bamboo.",
    "Bamboo grows up to a metre a day.",
    "",
    "The giant panda eats almost nothing but bamboo.",
]


def _ask(spec: str) -> Answer:
    contestant = parse(spec, Settings())
    assert isinstance(contestant, Contestant)

    async def call() -> Answer:
        async with Client(contestant) as client:
            await client.check()
            return await client.rerank("q", QUERY, DOCUMENTS)

    return asyncio.run(call())


@pytest.mark.parametrize(
    "form",
    [
        "rerank@{}",
        "rerank@{}/v2/rerank",
        "tei@{}",
        "infinity@{}",
        "infinity@{}/infinity",
        "vllm@{}",
        "vllm-score@{}",
        "cohere@{}",
        "jina@{}",
        "voyage@{}/voyage",
        "contextual@{}",
        "nim@{}",
    ],
)
def test_every_dialect_that_the_server_speaks_gives_the_same_scores(server: Server, form: str) -> None:
    """In input order, ties and an empty document among them; logits where the dialect has logits; tokens are told."""
    answer = _ask(form.format(server.url))
    assert answer.sample.error is None
    assert answer.scores is not None
    scores = answer.scores
    if form.startswith("nim"):
        scores = [1 / (1 + math.exp(-logit)) for logit in scores]
    assert scores == pytest.approx(server.scores(QUERY, DOCUMENTS), abs=1e-6)
    assert scores.index(max(scores)) == 1
    assert answer.sample.tokens is not None
    assert answer.sample.tokens > len(DOCUMENTS)
    assert {"tokenise", "queue", "inference", "total"} <= answer.sample.server_timing_ms.keys()


def test_a_dialect_that_the_server_does_not_speak_is_a_sentence(server: Server) -> None:
    """Mixedbread's route is not there: the failure says which route failed and how."""
    with pytest.raises(Exception, match=r"no usable reranker at .*: POST /v1/reranking failed with status 404"):
        _ask(f"mixedbread@{server.url}")
