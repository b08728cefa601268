"""What happens when more is asked than can be done: deadlines, priorities, shares, failures that are cut out.

The model is a function of the test's own; the pace is set by hand, so that no test depends on a clock.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence

import pytest

from models.batching import DeviceOutOfMemory
from models.pair import Logits, Pair
from service.engine.batcher import QUEUE_S, UNMEASURED_TOKENS, Batcher
from service.engine.entry import CallOptions, Scored
from service.engine.throughput import ThroughputEstimator
from service.errors import DeadlineExceeded, ModelFailed, Overloaded
from tests.service.engine.test_batcher import Gate, batcher, marks, pair, run, until_running


def within(seconds: float) -> CallOptions:
    return CallOptions(deadline=time.perf_counter() + seconds)


def at_pace(queue: Batcher, tokens_per_s: float) -> None:
    """Let the batcher believe that it is so fast."""
    queue._throughput.tokens_per_s = tokens_per_s
    queue._throughput.measure = lambda *_: None  # type: ignore[method-assign]


def test_a_request_that_cannot_be_in_time_is_refused_at_once() -> None:
    """At the measured rate, with what is before it; one that can be is taken, and a lone one always is."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            at_pace(queue, 10)
            first = asyncio.create_task(queue.score([pair(1)] * 5, within(0.001 + 100)))
            await until_running(gate)
            with pytest.raises(Overloaded, match="cannot be answered by its deadline") as told:
                await queue.score([pair(2)], within(0.5))  # 3 of its own, the other's first turn before: 1.8 s
            assert told.value.retry_after_s == 2
            second = asyncio.create_task(queue.score([pair(2)], within(10)))
            await asyncio.sleep(0)
            for _ in range(6):
                gate.open.release()
            await asyncio.gather(first, second)
            gate.open.release()
            assert (await queue.score([pair(3)] * 1, within(0.2))).logits.tolist() == [3]

    run(test)


def test_a_request_that_became_late_leaves_the_queue_between_runs() -> None:
    """Its other pairs are not run; those behind it are."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            first = asyncio.create_task(queue.score([pair(1)]))
            await until_running(gate)
            late = asyncio.create_task(queue.score([pair(2), pair(2)], within(0.05)))
            last = asyncio.create_task(queue.score([pair(3)]))
            await asyncio.sleep(0.1)
            for _ in range(2):
                gate.open.release()
            await first
            assert (await last).logits.tolist() == [3]
            with pytest.raises(DeadlineExceeded, match="deadline of this request passes"):
                await late
            assert gate.ran == [[1], [3]]
            assert queue.queued_tokens == 0

    run(test)


def test_a_full_queue_makes_room_for_a_higher_priority() -> None:
    """The lowest that has not begun goes, with a time to come back; one that has begun stays."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=12) as queue:
            begun = asyncio.create_task(queue.score([pair(1), pair(1)], CallOptions(priority=9)))
            await until_running(gate)
            lowest = asyncio.create_task(queue.score([pair(2)], CallOptions(priority=9)))
            low = asyncio.create_task(queue.score([pair(3)], CallOptions(priority=5)))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="do not fit beside them"):
                await queue.score([pair(4)] * 2, CallOptions(priority=9))
            urgent = asyncio.create_task(queue.score([pair(5)] * 2, CallOptions(priority=0)))
            with pytest.raises(Overloaded, match="higher priority") as told:
                await lowest
            assert told.value.retry_after_s is not None
            for _ in range(5):
                gate.open.release()
            await asyncio.gather(begun, low, urgent)
            assert gate.ran == [[1], [5], [5], [3], [1]]

    run(test)


def test_keys_take_turns_by_their_shares() -> None:
    """One key's many requests do not outrun another's one."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=10**6) as queue:
            first = asyncio.create_task(queue.score([pair(9)]))
            await until_running(gate)
            many = [asyncio.create_task(queue.score([pair(1, 600)] * 4, CallOptions(key="many"))) for _ in range(4)]
            await asyncio.sleep(0)
            one = asyncio.create_task(queue.score([pair(2, 600)] * 4, CallOptions(key="one")))
            await asyncio.sleep(0)
            for _ in range(21):
                gate.open.release()
            await asyncio.gather(first, one, *many)
            order = [mark for (mark,) in gate.ran]
            assert order.index(2) <= 1 + 4
            assert max(place for place, mark in enumerate(order) if mark == 2) < 12

    run(test)


def test_a_failing_pair_is_found_by_halves() -> None:
    """Of 64 pairs in a batch one is guilty: 13 runs, not 65, and every other request is answered."""
    runs: list[int] = []

    def model(batch: Sequence[Pair]) -> Logits:
        runs.append(len(batch))
        if any(one.ids[0] == 13 for one in batch):
            raise RuntimeError("bad pair")
        return marks(batch)

    async def test() -> None:
        queue = Batcher(model, inference_threads=1, max_batch_tokens=64 * 3, max_queue_tokens=10**6)
        asking = [asyncio.create_task(queue.score([pair(mark)])) for mark in range(64)]
        await asyncio.sleep(0)
        queue.start()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        queue.close()
        assert [n for n, answer in enumerate(answers) if isinstance(answer, ModelFailed)] == [13]
        scored = [answer.logits.tolist() for answer in answers if isinstance(answer, Scored)]
        assert scored == [[mark] for mark in range(64) if mark != 13]
        assert runs[:1] == [64]
        assert len(runs) == 1 + 2 * 6

    run(test)


def test_a_batch_that_does_not_fit_the_memory_is_halved_and_later_ones_are_smaller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Everybody is answered; the log says once what happened, and no later batch is as large."""
    runs: list[int] = []

    def model(batch: Sequence[Pair]) -> Logits:
        runs.append(len(batch))
        if len(batch) > 10:
            raise DeviceOutOfMemory
        return marks(batch)

    async def test() -> None:
        queue = Batcher(model, inference_threads=1, max_batch_tokens=32 * 3, max_queue_tokens=10**6)
        asking = [asyncio.create_task(queue.score([pair(mark)])) for mark in range(64)]
        await asyncio.sleep(0)
        queue.start()
        with caplog.at_level(logging.WARNING):
            answers = await asyncio.gather(*asking)
        queue.close()
        assert [answer.logits.tolist() for answer in answers] == [[mark] for mark in range(64)]

    run(test)
    assert runs == [32, 16, 8, 8, 16, 8, 8, 8, 8, 8, 8]
    assert "do not fit the device's memory" in caplog.text


def test_the_queue_holds_what_is_done_in_two_minutes() -> None:
    """At the measured rate, unless a number is set."""
    measured, fixed = (Batcher(marks, inference_threads=1, max_batch_tokens=0, max_queue_tokens=n) for n in (0, 77))
    assert measured.max_queue_tokens == UNMEASURED_TOKENS
    for queue in (measured, fixed):
        at_pace(queue, 500)
    assert (measured.max_queue_tokens, fixed.max_queue_tokens) == (500 * QUEUE_S, 77)


def test_the_pace_is_a_running_mean_of_all_lanes() -> None:
    """Two lanes that do 100 tokens a second each; Retry-After is what is left at that pace, as clients honour it."""
    pace = ThroughputEstimator(inference_threads=2)
    assert (pace.seconds(1000), pace.retry_after_s(1000)) == (0, 1)
    pace.measure(50, 0.5)
    assert pace.tokens_per_s == 200
    pace.measure(100, 0.5)
    assert pace.tokens_per_s == pytest.approx(0.95 * 200 + 0.05 * 400)
    assert pace.retry_after_s(1000) == math.ceil(1000 / 210)
    assert pace.retry_after_s(10**9) == 60


def test_a_pair_is_run_by_all_cpus_only_while_nothing_else_is_to_be_done() -> None:
    """Not beside a running one, and not while another waits."""
    alone: list[int] = []

    def run_single(batch: Sequence[Pair]) -> Logits:
        alone.extend(int(one.ids[0]) for one in batch)
        return gate(batch)

    gate = Gate()

    async def test() -> None:
        queue = Batcher(gate, inference_threads=2, max_batch_tokens=0, max_queue_tokens=1000, run_single=run_single)
        queue.start()
        first = asyncio.create_task(queue.score([pair(1)]))
        await until_running(gate)
        second = asyncio.create_task(queue.score([pair(2), pair(3)]))
        await until_running(gate)
        for _ in range(3):
            gate.open.release()
        await asyncio.gather(first, second)
        gate.open.release()
        await queue.score([pair(4)])
        queue.close()
        assert 1 in alone
        assert 4 in alone
        assert 2 not in alone

    run(test)


def test_padding_is_counted() -> None:
    """Tokens that were run for nothing, of all that were run."""

    async def test() -> None:
        queue = Batcher(marks, inference_threads=1, max_batch_tokens=100, max_queue_tokens=1000)
        asking = asyncio.create_task(queue.score([pair(1, 10), pair(2, 4)]))
        await asyncio.sleep(0)
        assert queue.padding_ratio == 0
        queue.start()
        await asking
        queue.close()
        assert queue.padding_ratio == 6 / 20

    run(test)


def test_a_request_without_a_chance_is_refused_before_it_is_read() -> None:
    """By an estimate of its tokens."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=10) as queue:
            first = asyncio.create_task(queue.score([pair(1)] * 4))
            await until_running(gate)
            queue.refuse_early(1, CallOptions())
            with pytest.raises(Overloaded):
                queue.refuse_early(100, CallOptions())
            for _ in range(4):
                gate.open.release()
            await first
            queue.refuse_early(10**9, CallOptions())

    run(test)
