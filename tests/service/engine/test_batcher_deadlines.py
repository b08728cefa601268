"""Deadlines: what cannot be in time is refused at once, what became late leaves the queue, what began is finished."""

import asyncio

import pytest
from msgspec import structs

from models.batching import NO_BATCHING
from service.engine.batcher import Batcher
from service.errors import DeadlineExceeded, Overloaded
from tests.support.engine import FixedThroughput, Gate, batcher, pair, run, until_running, within


def test_a_request_that_cannot_be_in_time_is_refused_at_once() -> None:
    """At the measured rate, with what is before it; one that can be is taken, and a lone one always is."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, throughput=FixedThroughput(10)) as queue:
            first = asyncio.create_task(queue.score([pair(1)] * 5, within(0.001 + 100)))
            await until_running(gate)
            with pytest.raises(Overloaded, match="cannot be processed by its deadline") as refused:
                await queue.score([pair(2)], within(0.5))  # 3 of its own, the other's first turn before: 1.8 s
            assert refused.value.retry_after_s == 2
            second = asyncio.create_task(queue.score([pair(2)], within(10)))
            await asyncio.sleep(0)
            for _ in range(6):
                gate.open.release()
            await asyncio.gather(first, second)
            gate.open.release()
            assert (await queue.score([pair(3)] * 1, within(0.2))).logits.tolist() == [3]

    run(test)


@pytest.mark.parametrize("budget", [NO_BATCHING, 100])
def test_what_runs_counts_half_and_what_waits_or_is_staged_whole(budget: int) -> None:
    """1.15 times (3 waiting, half of 100 running, 3 of its own) at 10 tokens a second is 6.4 s: 3.4 s too many."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=budget, throughput=FixedThroughput(10)) as queue:
            requests = [asyncio.create_task(queue.score([pair(1, 100)]))]
            await until_running(gate)
            requests.append(asyncio.create_task(queue.score([pair(2)])))
            await asyncio.sleep(0)
            for attempt in (lambda: queue.score([pair(3)], within(3)), lambda: early(queue)):
                with pytest.raises(Overloaded, match="deadline") as refused:
                    await attempt()
                assert refused.value.retry_after_s == 4
            queue.check_admission(3, within(8))
            for _ in range(2):
                gate.open.release()
            await asyncio.gather(*requests)

    async def early(queue: Batcher) -> None:
        queue.check_admission(3, within(3))

    run(test)


def test_what_was_staged_is_before_a_request() -> None:
    """Three pairs of 20 tokens that left the scheduler for the next batches: also before one of higher priority."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20, throughput=FixedThroughput(10)) as queue:
            request = asyncio.create_task(queue.score([pair(1, 20)] * 4))
            await until_running(gate)
            for priority in (0, -1):
                options = structs.replace(within(5), priority=priority)
                with pytest.raises(
                    Overloaded, match="request's 3 tokens cannot be processed by its deadline, with 60 tokens ahead"
                ):
                    await queue.score([pair(2)], options)
            for _ in range(4):
                gate.open.release()
            await request

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
            with pytest.raises(DeadlineExceeded, match="cannot be answered by its deadline"):
                await late
            assert gate.ran == [[1], [3]]
            assert queue.queued_tokens == 0

    run(test)


def test_what_would_be_late_is_not_begun_but_what_was_begun_is_finished() -> None:
    """As long as the deadline itself has not passed, and only while others wait."""

    async def test() -> None:
        gate = Gate()
        throughput = FixedThroughput()
        with batcher(gate, throughput=throughput) as queue:
            begun = asyncio.create_task(queue.score([pair(1)] * 2, within(8)))
            await until_running(gate)
            late = asyncio.create_task(queue.score([pair(2)], within(8)))
            last = asyncio.create_task(queue.score([pair(3)], within(8)))
            await asyncio.sleep(0)
            throughput.tokens_per_s = 0.3
            for _ in range(3):
                gate.open.release()
            with pytest.raises(DeadlineExceeded):
                await late
            assert (await begun).logits.tolist() == [1, 1]
            assert (await last).logits.tolist() == [3], "nobody else waits any more"
            assert gate.ran == [[1], [1], [3]]

    run(test)
