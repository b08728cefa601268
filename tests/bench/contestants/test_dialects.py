"""Every dialect over real HTTP against a server in its vendor's format: answers, counts, errors, limits, damage."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.client.client import Answer, Client
from bench.contestants.catalogue import DIALECTS
from bench.contestants.contestant import Contestant, parse
from bench.errors import AnswerError
from bench.settings import Settings
from tests.support.fake_reranker import Reply, shared_words
from tests.support.running import running
from tests.support.vendors import VENDORS, Entries, FakeVendor

QUERY = "red apple"
DOCUMENTS = ["green pear", "red apple", "red pear", *(f"stone {n}" for n in range(9))]
SCORES = [shared_words(QUERY, document) for document in DOCUMENTS]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.dialect)
def vendor(request: pytest.FixtureRequest) -> Iterator[FakeVendor]:
    with running(FakeVendor(request.param)) as server:
        yield server


def _ask(server: FakeVendor, documents: list[str], retries: int = 0, keys: dict[str, str] | None = None) -> Answer:
    contestant = parse(f"{server.vendor.dialect}:m@{server.url}", Settings(keys=keys or {}))
    assert isinstance(contestant, Contestant)

    async def call() -> Answer:
        async with Client(contestant) as client:
            return await client.rerank("q1", QUERY, documents, retries=retries)

    return asyncio.run(call())


def test_every_dialect_is_tested_here() -> None:
    """A new dialect without a vendor's server fails; this project's own is tested with the client."""
    assert {vendor.dialect for vendor in VENDORS} | {"rerank"} == set(DIALECTS)


def test_scores_come_back_in_input_order_with_their_counts(vendor: FakeVendor) -> None:
    """All 12 documents, though some vendors send back ten unless asked; tokens and search units as they are told."""
    answer = _ask(vendor, DOCUMENTS)
    assert answer.sample.error is None
    assert answer.scores == SCORES
    assert answer.sample.tokens == vendor.vendor.tokens
    assert answer.sample.search_units == vendor.vendor.search_units


def test_what_is_sent_is_golden(vendor: FakeVendor) -> None:
    """The request, field by field, as it was reviewed against the vendor's reference."""
    _ask(vendor, ["green pear", "red apple"])
    assert vendor.seen == [json.loads((GOLDEN / f"{vendor.vendor.dialect}.json").read_text(encoding="utf-8"))]


def test_the_key_goes_out_as_a_bearer_token_and_only_where_there_is_one(vendor: FakeVendor) -> None:
    """At a URL that is not the vendor's own, RERANKER_API_KEY is sent and the vendor's key is not."""
    _ask(vendor, ["a"])
    _ask(vendor, ["a"], keys={"COHERE_API_KEY": "theirs", "JINA_API_KEY": "theirs", "RERANKER_API_KEY": "ours"})
    assert vendor.seen_keys == [None, "Bearer ours"]


def test_a_rate_limit_is_waited_for(vendor: FakeVendor) -> None:
    """429 in the vendor's body and Retry-After: the second attempt counts."""
    vendor.replies = [Reply(429, vendor.vendor.error("slow down"), {"Retry-After": "0.3"})]
    answer = _ask(vendor, DOCUMENTS, retries=1)
    assert answer.scores == SCORES
    assert answer.sample.attempts == 2
    assert vendor.seen_at_s[1] - vendor.seen_at_s[0] >= 0.3


def test_a_refusal_is_told_in_the_vendors_own_words(vendor: FakeVendor) -> None:
    """The message of an error body reaches the sample, wherever the vendor keeps it; nothing is sent again."""
    vendor.replies = [Reply(400, vendor.vendor.error("query is too long"))]
    sample = _ask(vendor, DOCUMENTS, retries=3).sample
    assert sample.error is not None
    assert sample.error.startswith("status 400: ")
    assert sample.error.endswith("query is too long")
    assert "{" not in sample.error
    assert len(vendor.seen) == 1


def _score(value: Any) -> Callable[[list[tuple[int, Any]]], Entries]:
    return lambda entries: [(entries[0][0], value), *entries[1:]]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda entries: entries[:10], "the answer lacks 2 of 12 documents"),
        (lambda _: [], "the answer lacks 12 of 12 documents, first index 0"),
        (lambda entries: [*entries[:-1], (1, 0.5)], "the answer contains the index 1 twice"),
        (lambda entries: [*entries[:-1], (12, 0.5)], "the answer contains the index 12, but 12 documents were sent"),
        (lambda entries: [*entries[:-1], (-1, 0.5)], "the answer contains the index -1"),
        (_score(None), "the answer is not a rerank result: Expected `float`, got `null`"),
        (_score(math.nan), "the answer is not a rerank result: JSON is malformed"),
        (_score(math.inf), "the answer is not a rerank result: JSON is malformed"),
        (_score("0.5"), "the answer is not a rerank result: Expected `float`, got `str`"),
    ],
    ids=["top_n", "empty", "twice", "beyond", "negative", "null", "NaN", "infinity", "text"],
)
def test_an_answer_that_is_not_whole_is_a_failure(
    vendor: FakeVendor, change: Callable[[list[tuple[int, Any]]], Entries], error: str
) -> None:
    """No ranking is made of an answer with a gap, a document twice or a score that is none."""
    vendor.change = change
    answer = _ask(vendor, DOCUMENTS)
    assert answer.scores is None
    assert answer.sample.error is not None
    assert answer.sample.error.startswith(error)


def test_another_body_is_a_failure(vendor: FakeVendor) -> None:
    """A page, half a body, another shape: a failure that says so, and no exception."""
    parse = DIALECTS[vendor.vendor.dialect].parse
    for body in (b"", b"{", b"null", b"<html>", b"[1]", b'{"results": {}}', b'{"data": null}', b"\xff"):
        with pytest.raises(AnswerError, match="the answer is not a rerank result: "):
            parse(body)


def test_top_n_is_asked_for_where_the_dialect_has_it(vendor: FakeVendor) -> None:
    """As a load test asks: the vendor's server sends so many back, and all where there is no such field."""
    dialect = DIALECTS[vendor.vendor.dialect]
    body = dialect.request_body(QUERY, DOCUMENTS, "m", 3)
    answer = httpx.post(vendor.url + vendor.vendor.path, content=body, trust_env=False)
    assert answer.status_code == 200
    assert len(dialect.parse(answer.content).results) == (3 if dialect.takes_top_n else len(DOCUMENTS))
    assert dialect.problem(answer.content, len(DOCUMENTS), 3) is None


def test_stage_times_of_text_embeddings_inference_are_read_from_its_headers() -> None:
    """Milliseconds under the names that Server-Timing has here."""
    with running(FakeVendor(next(vendor for vendor in VENDORS if vendor.dialect == "tei"))) as server:
        sample = _ask(server, DOCUMENTS).sample
    assert sample.server_timing_ms == {"tokenise": 1.0, "queue": 2.0, "inference": 28.0, "total": 31.0}
