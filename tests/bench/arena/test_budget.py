"""What an LLM judge may spend: caps that hold whatever the endpoint does, over repeats, and what is on file of it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bench.arena.judges.budget import Budget, Prices
from bench.arena.judges.chat import EndpointAway
from bench.arena.ledger import read_ballots
from bench.arena.matches import Match
from bench.errors import BenchError, ServerError
from tests.support.arena.bout import Bout
from tests.support.arena.chat_server import ChatServer

ONE_EACH = Prices(1.0, 1.0)
PAID = 105e-6
"""Cost in US dollars of the endpoint's usual answer at the prices ONE_EACH."""


def asked_of_judge(bout: Bout) -> list[Match]:
    """The first match that no rule decides: two presentations."""
    return [match for match in bout.matches if match.by_rule(10) is None][:1]


def worst_usd(seen: list[dict[str, Any]], reply_tokens: int = 1000) -> float:
    """At ONE_EACH: a byte of a request is at most a token, and a reply at most its limit."""
    sent = sum(len(json.dumps(each, separators=(",", ":"), ensure_ascii=False).encode()) for each in seen)
    return (sent + reply_tokens * len(seen)) / 1e6


def test_an_answer_too_late_is_not_asked_for_again_and_costs_the_worst_case(toy: Path, chat: ChatServer) -> None:
    """One request a presentation. It may be paid for: its cost is on file, and the same command counts it in."""
    bout = Bout(toy, chat, prices=ONE_EACH, timeout_s=0.5)
    match = asked_of_judge(bout)
    chat.delay_s = 1.5
    found = bout.run(match)
    assert (len(chat.seen), found.cost.calls, found.counts["pending"]) == (2, 2, 1)
    late = worst_usd(chat.seen)
    assert found.cost.usd == pytest.approx(late)
    assert not found.errors
    bout.run(match, max_usd=late * 1.4)
    assert len(chat.seen) == 2
    chat.delay_s = 0.0
    whole = bout.run(match, timeout_s=60.0)
    assert (len(chat.seen), whole.cost.calls, len(whole.judged)) == (4, 4, 1)
    assert whole.cost.usd == pytest.approx(late + 2 * PAID)
    assert bout.run(match) == whole


def test_a_budget_of_calls_counts_every_request(toy: Path, chat: ChatServer) -> None:
    """A presentation asked three times is three; the cap ends it between two of them, and repeats send no more."""
    chat.replies = [(503, {}, {})] * 20
    bout = Bout(toy, chat, prices=ONE_EACH)
    for _ in range(3):
        found = bout.run(max_calls=4)
        assert len(chat.seen) == found.cost.calls == 4
    assert found.cost.usd == 0.0
    assert found.counts["failed"] == 0


def test_a_connection_that_was_lost_is_paid_for(toy: Path, chat: ChatServer) -> None:
    """Nobody knows whether the model had answered: the presentation is asked again, and both requests count."""
    usual = chat.answer

    def hang_up(_: dict[str, Any]) -> str:
        chat.answer = usual
        raise ConnectionAbortedError

    chat.answer = hang_up
    bout = Bout(toy, chat, prices=ONE_EACH)
    found = bout.run(asked_of_judge(bout))
    assert (len(chat.seen), found.cost.calls, len(found.judged)) == (3, 3, 1)
    assert found.cost.usd == pytest.approx(worst_usd(chat.seen[:1]) + 2 * PAID)


@pytest.mark.parametrize(("status", "is_free"), [(429, True), (503, True), (500, True), (502, False), (504, False)])
def test_refusals_are_free_but_for_a_gateways(toy: Path, chat: ChatServer, status: int, is_free: bool) -> None:
    """Behind a gateway that waited no longer the model may have answered."""
    chat.replies = [(status, {}, {})]
    bout = Bout(toy, chat, prices=ONE_EACH)
    found = bout.run(asked_of_judge(bout))
    assert found.cost.usd == pytest.approx(2 * PAID + (0.0 if is_free else worst_usd(chat.seen[:1])))


def test_an_endpoint_that_is_not_there_uses_up_nothing(toy: Path, chat: ChatServer) -> None:
    """What could not be sent is no call."""
    bout = Bout(toy, chat, prices=ONE_EACH)
    with pytest.raises(EndpointAway, match="did not answer after 3 attempts"):
        bout.run(url="http://127.0.0.1:9/v1", max_calls=2, max_usd=1.0)
    assert bout.file.read_bytes() == b""


def test_what_was_under_way_when_the_judging_stopped_is_paid_for(toy: Path, chat: ChatServer) -> None:
    """Two at a time: one is told that its key is wrong, which is free; the other's answer is waited for no longer."""
    chat.replies = [(401, {}, {})]
    chat.delay_s = 0.2

    def think(_: dict[str, Any]) -> str:
        time.sleep(1.0)
        return "too late"

    chat.answer = think
    bout = Bout(toy, chat, prices=ONE_EACH, concurrency=2)
    with pytest.raises(ServerError, match="refused the request"):
        bout.run()
    ballots = sorted(read_ballots(bout.file), key=lambda each: each.cost_usd)
    assert [(each.unfinished, each.calls) for each in ballots] == [(True, 1), (True, 1)]
    assert ballots[0].cost_usd == 0.0
    assert ballots[1].cost_usd > 1000e-6


def test_an_unreadable_answer_before_the_budget_ends_is_no_failure_yet(toy: Path, chat: ChatServer) -> None:
    """It was asked for once of twice: pending, paid for, and asked again by the next command."""
    chat.answer = lambda _: "I cannot say."
    bout = Bout(toy, chat, prices=ONE_EACH)
    match = asked_of_judge(bout)
    found = bout.run(match, max_calls=1)
    assert (found.counts["pending"], found.counts["failed"]) == (1, 0)
    assert found.cost.usd == pytest.approx(PAID)
    found = bout.run(match)
    assert (found.counts["pending"], found.counts["failed"], found.cost.calls) == (0, 1, 5)


def test_a_budget_of_calls_is_kept_over_repeats(toy: Path, chat: ChatServer) -> None:
    """Five calls, then none more for the same cap, then the rest."""
    bout = Bout(toy, chat, concurrency=3)
    found = bout.run(max_calls=5)
    assert len(chat.seen) == found.cost.calls == 5
    assert found.counts["pending"] > 0
    bout.run(max_calls=5)
    assert len(chat.seen) == 5
    whole = bout.run()
    assert whole.counts["pending"] == 0
    assert whole.cost.calls == len(chat.seen)


def test_a_budget_in_usd_is_never_passed(toy: Path, chat: ChatServer) -> None:
    """At 1 USD a million tokens a call costs .002; the worst case of the next must fit as well; repeats count."""
    chat.usage = {"prompt_tokens": 1500, "completion_tokens": 500}
    bout = Bout(toy, chat, prices=ONE_EACH, concurrency=4)
    found = bout.run(max_usd=0.008)
    assert found.cost.usd == pytest.approx(0.002 * len(chat.seen))
    assert 0 < found.cost.usd <= 0.008
    assert found.counts["pending"] > 0
    bout.run(max_usd=0.008)
    assert 0.002 * len(chat.seen) <= 0.008


def test_a_budget_in_usd_needs_prices(toy: Path, chat: ChatServer) -> None:
    """Both of them, and a limit of the reply; without them it would be a promise that cannot be kept."""
    unlimited = {"prices": ONE_EACH, "fields": {"max_tokens": None}}
    for told in ({}, {"prices": Prices(2.0, None)}, {"prices": Prices(None, 2.0)}, unlimited):
        with pytest.raises(BenchError, match="--budget-usd needs"):
            Bout(toy, chat, max_usd=1.0, **told).run()


def test_a_price_of_nothing_is_a_price(toy: Path, chat: ChatServer) -> None:
    """Given as 0 it is known, so that a cap of 0 USD is kept by asking for free."""
    assert Bout(toy, chat, max_usd=0.0, prices=Prices(0.0, 0.0)).run().counts["pending"] == 0


def test_tokens_that_are_not_told_cost_the_worst_case(toy: Path, chat: ChatServer) -> None:
    """As much as the request and the longest reply could be."""
    chat.usage = None
    bout = Bout(toy, chat, prices=ONE_EACH, fields={"max_tokens": 50})
    found = bout.run(asked_of_judge(bout))
    assert found.cost.usd == pytest.approx(worst_usd(chat.seen, 50))


def test_budgets_set_the_worst_case_aside() -> None:
    """Two that would fit one by one do not fit together; settled, the difference is free again."""
    budget = Budget(max_usd=1.0, max_calls=None)
    assert budget.take(0.6)
    assert not budget.take(0.6)
    budget.settle(0.6, 0.1)
    assert budget.take(0.6)
    budget.settle(0.6, 0.1)
    assert budget.spent_usd == pytest.approx(0.2)
