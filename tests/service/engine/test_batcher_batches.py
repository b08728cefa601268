"""Which pairs run together where a run has a budget: of like length, the highest priority first, none that is late."""

import asyncio

import pytest

from service.engine.batcher import Batcher
from service.engine.entry import CallOptions
from service.errors import DeadlineExceeded, Overloaded
from tests.support.engine import FixedThroughput, Gate, batcher, marks, pair, run, until_running, within


def test_what_gathered_while_the_device_was_busy_runs_as_one_batch() -> None:
    """With a budget, waiting pairs of several requests share a run; nothing waits for a timer."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=12) as queue:
            requests = [asyncio.create_task(queue.score([pair(1)]))]
            await until_running(gate)
            requests += [asyncio.create_task(queue.score([pair(mark)])) for mark in (2, 3, 4, 5, 6)]
            await asyncio.sleep(0)
            for _ in range(3):
                gate.open.release()
            await asyncio.gather(*requests)
            assert gate.ran == [[1], [2, 3, 4, 5], [6]]

    run(test)


def test_the_oldest_pair_is_never_overtaken_for_ever() -> None:
    """The batch that runs is the one with the oldest waiting pair, though its length fits badly with the others."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20) as queue:
            requests = [asyncio.create_task(queue.score([pair(1)]))]
            await until_running(gate)
            requests += [asyncio.create_task(queue.score([pair(2, length=2)]))]
            requests += [asyncio.create_task(queue.score([pair(3, length=20), pair(4, length=19), pair(5, length=2)]))]
            await asyncio.sleep(0)
            for _ in range(4):
                gate.open.release()
            await asyncio.gather(*requests)
            assert gate.ran == [[1], [2, 5], [3], [4]]

    run(test)


def test_a_higher_priority_goes_first_into_a_batch_too() -> None:
    """Before pairs that were staged when it came, which are of another length."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20, max_queue_tokens=1000) as queue:
            requests = [asyncio.create_task(queue.score([pair(1)]))]
            await until_running(gate)
            requests += [asyncio.create_task(queue.score([pair(2, 20)] * 4, CallOptions(priority=5)))]
            await asyncio.sleep(0)
            gate.open.release()
            await until_running(gate)
            assert gate.ran == [[1], [2]]
            requests += [asyncio.create_task(queue.score([pair(3, 2)], CallOptions(priority=0)))]
            await asyncio.sleep(0)
            for _ in range(5):
                gate.open.release()
            await asyncio.gather(*requests)
            assert gate.ran == [[1], [2], [3], [2], [2], [2]]

    run(test)


def test_a_staged_request_that_became_late_is_not_run() -> None:
    """On a GPU too, whose next batches are chosen from pairs that have left the scheduler."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20, max_queue_tokens=1000) as queue:
            first = asyncio.create_task(queue.score([pair(1, 20)] * 2))
            late = asyncio.create_task(queue.score([pair(2, 10)], within(0.1)))
            await until_running(gate)
            assert queue.queued_pairs == 2
            await asyncio.sleep(0.15)
            gate.open.release()
            gate.open.release()
            with pytest.raises(DeadlineExceeded, match="cannot be answered by its deadline"):
                await late
            await first
            assert gate.ran == [[1], [1]]
            assert queue.queued_tokens == 0

    run(test)


def test_a_cancelled_request_leaves_the_staged_pairs_too() -> None:
    """And those of others stay."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20, throughput=FixedThroughput(10)) as queue:
            gone = asyncio.create_task(queue.score([pair(1, 20)] * 2))
            kept = asyncio.create_task(queue.score([pair(2, 20)]))
            await until_running(gate)
            with pytest.raises(Overloaded, match="40 tokens ahead"):  # all are staged: what is not would be after
                queue.check_admission(1, CallOptions(priority=-1, deadline=0))
            gone.cancel()
            await asyncio.sleep(0)
            assert queue.queued_pairs == 1
            gate.open.release()
            gate.open.release()
            await kept
            assert gate.ran == [[1], [2]]

    run(test)


@pytest.mark.parametrize(("cost", "batches"), [(0, [[1], [2]]), (6, [[1, 2]])])
def test_what_the_warm_up_measured_holds_for_batches(cost: int, batches: list[list[int]]) -> None:
    """Six tokens of padding are worth it where a run costs as many."""

    async def test() -> None:
        gate = Gate()
        queue = Batcher(gate, inference_threads=1, max_batch_tokens=1, max_queue_tokens=1000)
        queue.retune(100, cost)
        request = asyncio.create_task(queue.score([pair(1, 10), pair(2, 4)]))
        await asyncio.sleep(0)
        queue.start()
        for _ in batches:
            gate.open.release()
        await request
        queue.close()
        assert gate.ran == batches

    run(test)


def test_padding_is_counted() -> None:
    """Tokens that were run for nothing, of all that were run."""

    async def test() -> None:
        queue = Batcher(marks, inference_threads=1, max_batch_tokens=100, max_queue_tokens=1000)
        request = asyncio.create_task(queue.score([pair(1, 10), pair(2, 4)]))
        await asyncio.sleep(0)
        assert (queue.padding_tokens, queue.run_tokens) == (0, 0)
        queue.start()
        await request
        queue.close()
        assert (queue.padding_tokens, queue.run_tokens) == (6, 20)

    run(test)
