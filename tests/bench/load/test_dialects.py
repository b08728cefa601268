"""The dialects of a load test: what is sent, and what is wrong with an answer."""

import json
from typing import Any

import pytest

from bench.errors import BenchError
from bench.load.dialects import ALL, COHERE, NIM, OWN, TEI, VLLM, Dialect, check_tags, refusal


def answer(dialect: Dialect, *pairs: tuple[Any, Any]) -> bytes:
    results = [{"index": index, dialect.score: score} for index, score in pairs]
    return json.dumps(results if dialect.results is None else {dialect.results: results}).encode()


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OWN, {"query": "q", "documents": ["a", "b"], "top_n": 1, "model": "m"}),
        (COHERE, {"query": "q", "documents": ["a", "b"], "top_n": 1, "model": "m"}),
        (TEI, {"query": "q", "texts": ["a", "b"]}),
        (VLLM, {"text_1": "q", "text_2": ["a", "b"], "model": "m"}),
        (NIM, {"query": {"text": "q"}, "passages": [{"text": "a"}, {"text": "b"}], "model": "m"}),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_the_bodies(dialect: Dialect, body: dict[str, Any]) -> None:
    """As each vendor's documentation has them; a dialect that knows no top_n or model is sent none."""
    assert json.loads(dialect.body("q", ["a", "b"], 1, "m")) == body


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_a_good_answer_has_no_problem(dialect: Dialect) -> None:
    """Best first, equal scores allowed."""
    assert dialect.problem(answer(dialect, (1, 0.5), (0, 0.5), (2, 0.1)), 3, None) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answer(OWN, (1, 0.5), (0, 0.2)), "2 results where 3 were asked for"),
        (answer(OWN, (1, 0.5), (0, 0.2), (1, 0.1)), "a document comes twice"),
        (answer(OWN, (1, 0.5), (0, 0.2), (3, 0.1)), "the index 3 where 3 documents were sent"),
        (answer(OWN, (1, 0.5), (0, 0.2), (-1, 0.1)), "the index -1 where 3 documents were sent"),
        (answer(OWN, (1, 0.5), (0, 0.2), (2, 0.3)), "the results are not ordered by score"),
        (answer(OWN, (1, 0.5), (0, "0.2"), (2, 0.1)), "the answer is no own result (ValidationError)"),
        (answer(OWN, (1, 0.5), (0, None), (2, 0.1)), "the answer is no own result (ValidationError)"),
        (answer(OWN, (1, 0.5), (0.5, 0.2), (2, 0.1)), "the answer is no own result (ValidationError)"),
        (b'{"results": 1}', "the answer is no own result (TypeError)"),
        (b'{"data": []}', "the answer is no own result (KeyError)"),
        (b"[]", "the answer is no own result (TypeError)"),
        (b'{"results": [', "the answer is no own result (DecodeError)"),
        (b"\xff", "the answer is no own result (DecodeError)"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, sentence: str) -> None:
    """Each in a sentence; none raises."""
    assert OWN.problem(body, 3, None) == sentence


def test_top_n_is_how_many_must_come() -> None:
    """At most as many as documents; a dialect without top_n answers for all."""
    assert OWN.problem(answer(OWN, (1, 0.5)), 3, 1) is None
    assert OWN.problem(answer(OWN, (1, 0.5), (0, 0.2)), 3, 1) == "2 results where 1 were asked for"
    assert OWN.problem(answer(OWN, (1, 0.5), (0, 0.2)), 2, 9) is None
    assert TEI.problem(answer(TEI, (1, 0.5)), 2, 1) == "1 results where 2 were asked for"


def test_scores_by_input_order_need_not_fall() -> None:
    """vLLM's score route answers in the request's order."""
    assert VLLM.problem(answer(VLLM, (0, 0.1), (1, 0.9)), 2, None) is None


def test_refusals_and_silence_are_told_apart() -> None:
    """Status and body, cut short; or that no answer came."""
    assert refusal(429, b"busy" * 100, None) == "status 429: " + "busy" * 50
    assert refusal(0, None, ConnectionRefusedError("refused")) == "no answer: refused"


def test_an_unknown_tag_is_refused() -> None:
    """With those that exist: locust alone would run nothing and say little."""
    check_tags(["own", "nim"])
    with pytest.raises(BenchError, match=r"no dialect 'tie': the tags are own, cohere, tei, infinity, vllm, nim$"):
        check_tags(["own", "tie"])
