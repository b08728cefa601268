"""A load test describes in one sentence what is wrong with an answer, also if it asked for the best results only."""

import json
import math
from typing import Any

import pytest

from bench.contestants.catalogue import DIALECTS
from bench.contestants.results import IndexedScore, ParsedAnswer
from bench.errors import AnswerError

RERANK, TEI, VLLM_SCORE = (DIALECTS[name] for name in ("rerank", "tei", "vllm-score"))
LIST_AND_SCORE = {
    "tei": (None, "score"),
    "vllm-score": ("data", "score"),
    "mixedbread": ("data", "score"),
    "voyage": ("data", "relevance_score"),
    "nim": ("rankings", "logit"),
}
"""Where results and scores are, in the dialects that have them elsewhere than `results` and `relevance_score`."""


def answer(dialect: str, *pairs: tuple[Any, Any]) -> bytes:
    results_field, score_field = LIST_AND_SCORE.get(dialect, ("results", "relevance_score"))
    results = [{"index": index, score_field: score} for index, score in pairs]
    return json.dumps(results if results_field is None else {results_field: results}).encode()


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("rerank", {"query": "q", "documents": ["a", "b"], "top_n": 1, "model": "m"}),
        ("cohere", {"query": "q", "documents": ["a", "b"], "top_n": 1, "model": "m"}),
        ("tei", {"query": "q", "texts": ["a", "b"], "truncate": True}),
        ("vllm", {"query": "q", "documents": ["a", "b"], "top_n": 1, "model": "m"}),
        ("vllm-score", {"text_1": "q", "text_2": ["a", "b"], "model": "m"}),
        (
            "nim",
            {"query": {"text": "q"}, "passages": [{"text": "a"}, {"text": "b"}], "model": "m", "truncate": "END"},
        ),
    ],
)
def test_the_bodies_with_top_n(dialect: str, body: dict[str, Any]) -> None:
    """As each vendor's documentation has them; a dialect that knows no top_n or model is sent none."""
    assert json.loads(DIALECTS[dialect].request_body("q", ["a", "b"], "m", 1)) == body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_answer_has_no_problem(dialect: str) -> None:
    """Best first, equal scores allowed."""
    assert DIALECTS[dialect].problem(answer(dialect, (1, 0.5), (0, 0.5), (2, 0.1)), 3, None) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answer("rerank", (1, 0.5), (0, 0.2)), "the answer has 2 results, but 3 were requested"),
        (answer("rerank", (1, 0.5), (0, 0.2), (1, 0.1)), "the answer contains the index 1 twice"),
        (answer("rerank", (1, 0.5), (0, 0.2), (3, 0.1)), "the answer contains the index 3, but 3 documents were sent"),
        (
            answer("rerank", (1, 0.5), (0, 0.2), (-1, 0.1)),
            "the answer contains the index -1, but 3 documents were sent",
        ),
        (answer("rerank", (1, 0.5), (0, 0.2), (2, 0.3)), "the results are not sorted by score"),
        (answer("rerank", (1, 0.5), (0, "0.2"), (2, 0.1)), "Expected `float`, got `str` - at `$.results[1].rel"),
        (answer("rerank", (1, 0.5), (0, None), (2, 0.1)), "Expected `float`, got `null`"),
        (answer("rerank", (1, 0.5), (0, math.nan), (2, 0.1)), "JSON is malformed"),
        (answer("rerank", (1, 0.5), (0.5, 0.2), (2, 0.1)), "Expected `int`, got `float`"),
        (b'{"results": [{"index": 0, "relevance_score": 1e400}]}', "Number out of range"),
        (b'{"results": 1}', "Expected `array`, got `int`"),
        (b'{"data": []}', "Object missing required field `results`"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"results": [', "Input data was truncated"),
        (b"\xff", "JSON is malformed"),
        (b'{"x":' + b"[" * 100_000, "maximum recursion depth"),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else "",
)
def test_what_is_wrong_is_said(body: bytes, sentence: str) -> None:
    """Each in a sentence; none raises."""
    problem = RERANK.problem(body, 3, None)
    assert problem is not None
    assert problem == sentence or problem.startswith(f"the answer is not a rerank result: {sentence}")


def test_top_n_is_how_many_must_come() -> None:
    """At most as many as documents; a dialect without top_n answers for all."""
    assert RERANK.problem(answer("rerank", (1, 0.5)), 3, 1) is None
    assert RERANK.problem(answer("rerank", (1, 0.5), (0, 0.2)), 3, 1) == "the answer has 2 results, but 1 was requested"
    assert RERANK.problem(answer("rerank", (1, 0.5), (0, 0.2)), 2, 9) is None
    assert TEI.problem(answer("tei", (1, 0.5)), 2, 1) == "the answer has 1 result, but 2 were requested"


def test_scores_in_the_order_of_the_request_need_not_fall() -> None:
    """vLLM's score route answers so."""
    assert VLLM_SCORE.problem(answer("vllm-score", (0, 0.1), (1, 0.9)), 2, None) is None


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_no_score(score: float) -> None:
    """Whatever a dialect takes for a number: NaN has no place in an order."""
    with pytest.raises(AnswerError, match="for index 0, which is not finite"):
        ParsedAnswer([IndexedScore(0, score)]).scores(1)
