"""Admission alone: room, each key's part, who gives way, deadlines, and when to come back. No threads and no clock."""

import math
from dataclasses import dataclass

import pytest

from service.engine.admission import (
    DEADLINE_MARGIN,
    QUEUE_S,
    UNMEASURED_TOKENS,
    Admission,
    ConcurrencyLimit,
    TakenTokens,
)
from service.engine.entry import CallOptions
from service.engine.scheduler import FairScheduler
from service.engine.throughput import ThroughputEstimator
from service.errors import Overloaded

NOW = 1000.0


@dataclass(eq=False)
class Request:
    """A request of one pair that waits, or whose first pair is already with the model."""

    tokens: int
    priority: int = 0
    key: str = ""
    share: float = 1.0
    begun: bool = False


def admission(*waiting: Request, tokens_per_s: float = 10, max_queue_tokens: int = 100) -> Admission[Request]:
    """The rules over a queue of one-pair requests, at a known rate."""
    scheduler: FairScheduler[Request] = FairScheduler()
    for request in waiting:
        scheduler.add(request, [(0, request.tokens)])
    return Admission(scheduler, ThroughputEstimator(1, tokens_per_s), max_queue_tokens)


def refusal(
    rules: Admission[Request], tokens: int, options: CallOptions | None = None, taken: TakenTokens | None = None
) -> Overloaded:
    """The 429 that a request gets."""
    with pytest.raises(Overloaded) as refused:
        rules.check(tokens, options or CallOptions(), NOW, taken or TakenTokens())
    return refused.value


def test_what_fits_is_admitted_and_one_token_more_is_not() -> None:
    """The message gives the figures, and nobody of the same priority gives way."""
    rules = admission(Request(60), Request(30))
    assert rules.check(10, CallOptions(), NOW) == []
    assert refusal(rules, 11).message == (
        "the queue holds 90 tokens and has no room for this request's 11 (max_queue_tokens 100): try again later"
    )


def test_a_key_may_fill_what_others_leave() -> None:
    """Its part is what it has at least: where there is room it gets more."""
    rules = admission(Request(80, key="mine"), Request(10, key="other"))
    assert rules.check(10, CallOptions(key="mine"), NOW) == []
    refusal(rules, 11, CallOptions(key="mine"))


def test_a_request_larger_than_the_queue_is_admitted_to_an_empty_one_only() -> None:
    """However much is running; and when to come back is when those that wait are done."""
    assert admission().check(10**6, CallOptions(), NOW, TakenTokens(running=10**6)) == []
    assert refusal(admission(Request(55)), 10**6).retry_after_s == math.ceil(55 / 10)


def test_retry_after_is_when_there_is_room() -> None:
    """At the measured rate, at least a second, and at most what clients honour."""
    assert refusal(admission(Request(90)), 40).retry_after_s == 3
    assert refusal(admission(Request(90)), 11).retry_after_s == 1
    assert refusal(admission(Request(90), tokens_per_s=0.01), 40).retry_after_s == 60
    assert refusal(admission(Request(90), tokens_per_s=0), 40).retry_after_s == 1


def test_the_queue_holds_what_is_done_in_two_minutes() -> None:
    """At the measured rate, unless a number is set; before a run was measured, a million tokens."""
    assert admission(tokens_per_s=500, max_queue_tokens=0).max_queue_tokens == 500 * QUEUE_S
    assert admission(tokens_per_s=500, max_queue_tokens=77).max_queue_tokens == 77
    assert admission(tokens_per_s=0, max_queue_tokens=0).max_queue_tokens == UNMEASURED_TOKENS


def test_staged_pairs_wait_and_running_ones_do_not() -> None:
    """Those that left the scheduler for the next batches still take up room."""
    rules = admission(Request(50))
    assert rules.check(20, CallOptions(), NOW, TakenTokens(staged=30, staged_of_key=30, running=500)) == []
    assert "holds 80 tokens" in refusal(rules, 21, taken=TakenTokens(staged=30, staged_of_key=30)).message


@pytest.mark.parametrize(("share", "part"), [(1.0, 50), (3.0, 75), (0.25, 20)])
def test_a_key_has_its_part_of_a_queue_that_another_filled(share: float, part: int) -> None:
    """By its share, what it has waiting and staged counted in; what is beyond that is refused."""
    options = CallOptions(key="mine", share=share)
    rules = admission(Request(400, key="flood"))
    assert rules.check(part, options, NOW) == []
    refusal(rules, part + 1, options)
    assert rules.check(part - 5, options, NOW, TakenTokens(staged=5, staged_of_key=5)) == []
    refusal(rules, part - 4, options, TakenTokens(staged=5, staged_of_key=5))
    rules = admission(Request(400, key="flood"), Request(7, key="mine", share=share))
    assert rules.check(part - 7, options, NOW) == []
    refusal(rules, part - 6, options)


def test_the_key_that_filled_the_queue_gets_no_more() -> None:
    """With or without others."""
    refusal(admission(Request(100, key="flood")), 1, CallOptions(key="flood"))
    refusal(admission(Request(90, key="flood"), Request(10, key="mine")), 1, CallOptions(key="flood"))


def test_the_lowest_and_newest_give_way_and_no_more_than_needed() -> None:
    """Only requests of lower priority, and only those that have not begun."""
    first, second = Request(30, priority=9), Request(30, priority=9)
    low, begun, same = Request(20, priority=5), Request(10, priority=9, begun=True), Request(10, priority=1)
    rules = admission(first, second, low, begun, same)
    urgent = CallOptions(priority=1)
    assert rules.check(30, urgent, NOW) == [second]
    assert rules.check(31, urgent, NOW) == [second, first]
    assert rules.check(80, urgent, NOW) == [second, first, low]
    assert "no room" in refusal(rules, 81, urgent).message


def test_who_gives_way_is_told_when_to_come_back() -> None:
    """When what took its room is done."""
    error = admission().displacement(45)
    assert (error.message, error.retry_after_s) == (
        "displaced from the queue by a request of higher priority: try again later",
        5,
    )


def test_a_deadline_is_kept_with_a_margin() -> None:
    """Whole what waits or is staged, half of what runs, and its own tokens, at the measured rate."""
    rules = admission(Request(20))
    needed_s = DEADLINE_MARGIN * (20 + 15 + 40 // 2 + 5) / 10
    taken = TakenTokens(staged=15, running=40)
    assert rules.check(5, CallOptions(deadline=NOW + needed_s + 0.01), NOW, taken) == []
    late = refusal(rules, 5, CallOptions(deadline=NOW + needed_s - 2.5), taken)
    assert (
        late.message
        == "this request's 5 tokens cannot be processed by its deadline, with 35 tokens ahead of it: try again later"
    )
    assert late.retry_after_s == 3


def test_a_request_that_nobody_is_before_is_never_too_late() -> None:
    """It would be refused for ever; nor is one where no rate is known."""
    assert admission().check(10**6, CallOptions(deadline=NOW + 0.001), NOW) == []
    assert admission(Request(50, priority=9)).check(10, CallOptions(deadline=NOW + 0.001), NOW) == []
    assert admission(Request(50), tokens_per_s=0).check(10, CallOptions(deadline=NOW + 0.001), NOW) == []


def test_a_request_that_would_be_late_pushes_nobody_out() -> None:
    """Room alone is not enough."""
    rules = admission(Request(90, priority=9), Request(10, priority=1))
    assert rules.check(20, CallOptions(priority=1, deadline=NOW + 60), NOW) != []
    refusal(rules, 20, CallOptions(priority=1, deadline=NOW + 0.5))


def test_so_many_requests_are_answered_at_a_time() -> None:
    """One more is refused without taking a slot, and a slot is given back however its request ends."""
    limit = ConcurrencyLimit(2)
    with limit:
        with pytest.raises(ZeroDivisionError), limit:
            one_more(limit)
        assert limit.in_flight == 1
    assert limit.in_flight == 0


def one_more(limit: ConcurrencyLimit) -> None:
    """Be refused, and fail."""
    assert limit.in_flight == 2
    with pytest.raises(Overloaded, match="2 requests are in flight") as refused:
        limit.__enter__()
    assert (refused.value.retry_after_s, limit.in_flight) == (1, 2)
    raise ZeroDivisionError
