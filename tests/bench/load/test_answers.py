"""The load test's tags, and what it says of an answer without status 200."""

import pytest

from bench.contestants.catalogue import DIALECTS
from bench.errors import BenchError
from bench.load.answers import problem
from bench.load.options import check_tags
from bench.load.plans import Pause
from bench.load.workload import RequestTexts, RerankRequest, Workload

REQUEST = RerankRequest("q1", "q", ["a", "b"])


def workload(top_n: int | None = None, key: str | None = None) -> Workload:
    return Workload(RequestTexts("d", [], []), [2], Pause("constant", (0.0,)), top_n, None, 0, key)


def test_refusals_and_silence_are_told_apart() -> None:
    """Status and the server's own words, cut short; or that no answer came."""
    rerank = DIALECTS["rerank"]
    body = b'{"message": "' + b"busy" * 100 + b'"}'
    assert problem(rerank, workload(), REQUEST, 429, body, None) == "status 429: " + "busy" * 50
    refused = ConnectionRefusedError("refused")
    assert problem(rerank, workload(), REQUEST, 0, b"", refused) == "no answer: refused"


def test_a_key_that_a_server_repeats_is_left_out() -> None:
    """Samples go to a file, which must not hold it."""
    body = b'{"message": "s3cret is no key"}'
    sentence = problem(DIALECTS["rerank"], workload(key="s3cret"), REQUEST, 401, body, None)
    assert sentence == "status 401: (the key) is no key"
    assert "s3cret" not in repr(workload(key="s3cret"))


def test_a_good_status_is_not_enough() -> None:
    """The dialect reads the answer, against the request's documents and the test's top_n."""
    body = b'{"results": [{"index": 1, "relevance_score": 0.5}]}'
    assert problem(DIALECTS["rerank"], workload(top_n=1), REQUEST, 200, body, None) is None
    assert (
        problem(DIALECTS["rerank"], workload(), REQUEST, 200, body, None)
        == "the answer has 1 result, but 2 were requested"
    )


def test_an_unknown_tag_is_refused() -> None:
    """With those that exist: locust alone would run nothing and say little."""
    check_tags(["rerank", "nim", "vllm-score"])
    with pytest.raises(
        BenchError, match=r"unknown dialect 'tie'; the dialects are rerank, tei, infinity, vllm, vllm-score, "
    ):
        check_tags(["rerank", "tie"])
