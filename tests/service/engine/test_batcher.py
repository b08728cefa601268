"""The queue: all or none, every answer to its own request, nothing lost when it closes.

The tests decide when a run of the model ends.
"""

import asyncio
import time
from collections.abc import Sequence

import pytest

from models.batching import NO_BATCHING
from models.pair import Logits, Pair
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions
from service.errors import Overloaded, ShuttingDown
from tests.support.engine import FixedThroughput, Gate, batcher, marks, pair, run, until_running, within


def test_logits_come_back_in_the_requests_order() -> None:
    """Whatever the plan does, index n of the answer is pair n of the request."""

    async def test() -> None:
        with batcher(inference_threads=3) as queue:
            pairs = [pair(mark, length=3 + mark % 7) for mark in range(50)]
            scored = await queue.score(pairs)
            assert scored.logits.tolist() == list(range(50))
            assert scored.queue_s >= 0
            assert scored.inference_s > 0

    run(test)


def test_concurrent_requests_each_get_their_own() -> None:
    """Pairs of many requests pass the same inference threads, in batches too, and find their way home."""

    async def test() -> None:
        for budget in (NO_BATCHING, 20):
            with batcher(inference_threads=2, max_batch_tokens=budget, max_queue_tokens=10_000) as queue:
                requests = [[pair(100 * n + m) for m in range(n % 5 + 1)] for n in range(100)]
                answers = await asyncio.gather(*(queue.score(pairs) for pairs in requests))
                for pairs, answer in zip(requests, answers, strict=True):
                    assert answer.logits.tolist() == marks(pairs).tolist()

    run(test)


def test_a_request_is_admitted_whole_or_not_at_all() -> None:
    """The request that does not fit leaves no pair behind, and the ones before it are answered."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=10) as queue:
            first = asyncio.create_task(queue.score([pair(1), pair(2), pair(3)]))
            await until_running(gate)
            assert queue.queued_tokens == 6
            with pytest.raises(Overloaded) as refused:
                await queue.score([pair(4), pair(5)])
            assert refused.value.retry_after_s is not None
            assert refused.value.retry_after_s >= 1
            assert queue.queued_pairs == 2
            fitting = asyncio.create_task(queue.score([pair(6)]))
            await asyncio.sleep(0)
            for _ in range(4):
                gate.open.release()
            assert (await first).logits.tolist() == [1, 2, 3]
            assert (await fitting).logits.tolist() == [6]
            assert gate.ran == [[1], [2], [3], [6]]
            assert queue.queued_tokens == 0

    run(test)


def test_a_request_alone_always_fits() -> None:
    """A request larger than the whole queue is served when nobody else waits."""

    async def test() -> None:
        with batcher(max_queue_tokens=1) as queue:
            assert (await queue.score([pair(mark) for mark in range(9)])).logits.tolist() == list(range(9))

    run(test)


def test_a_cancelled_request_leaves_the_queue() -> None:
    """Its waiting pairs are dropped, not run; those behind it go on."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            first = asyncio.create_task(queue.score([pair(1)]))
            await until_running(gate)
            gone = asyncio.create_task(queue.score([pair(2), pair(3)]))
            last = asyncio.create_task(queue.score([pair(4)]))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert queue.queued_pairs == 1, "the room of the one that is gone is free at once"
            gate.open.release()
            gate.open.release()
            await first
            assert (await last).logits.tolist() == [4]
            assert gate.ran == [[1], [4]]
            assert queue.queued_tokens == 0

    run(test)


def test_every_inference_thread_runs_at_the_same_time() -> None:
    """Two threads hold two pairs in flight: no pair waits while a thread is free."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, inference_threads=2) as queue:
            request = asyncio.create_task(queue.score([pair(1), pair(2), pair(3)]))
            await until_running(gate)
            await until_running(gate)
            assert sorted(gate.ran) == [[1], [2]]
            for _ in range(3):
                gate.open.release()
            await request

    run(test)


@pytest.mark.parametrize(
    ("inference_threads", "single"), [(1, [1, 3, 4]), (2, [1, 4])], ids=["while another waits", "beside another run"]
)
def test_a_pair_is_run_by_all_cpus_only_while_nothing_else_is_to_be_done(
    inference_threads: int, single: list[int]
) -> None:
    """The first of two does not have them while the second waits, and the second not beside the first."""
    ran_single: list[int] = []

    def run_single(batch: Sequence[Pair]) -> Logits:
        ran_single.extend(int(one.ids[0]) for one in batch)
        return gate(batch)

    gate = Gate()

    async def test() -> None:
        queue = Batcher(
            gate, inference_threads=inference_threads, max_batch_tokens=0, max_queue_tokens=1000, run_single=run_single
        )
        queue.start()
        gate.open.release()
        await queue.score([pair(1)])
        await until_running(gate)
        two = asyncio.create_task(queue.score([pair(2), pair(3)]))
        await until_running(gate)
        if inference_threads == 1:
            gate.open.release()
        await until_running(gate)
        assert ran_single == single[:-1]
        for _ in range(inference_threads + 1):
            gate.open.release()
        await two
        await queue.score([pair(4)])
        queue.close()
        assert ran_single == single

    run(test)


def test_waiting_ends_with_the_first_run() -> None:
    """Though the last pair is begun much later."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            request = asyncio.create_task(queue.score([pair(1)] * 2))
            await until_running(gate)
            await asyncio.sleep(0.2)
            for _ in range(2):
                gate.open.release()
            scored = await request
            assert scored.queue_s < scored.inference_s
            assert scored.inference_s >= 0.2

    run(test)


def test_every_run_is_timed() -> None:
    """One by all CPUs counts once, one beside others as that of one thread of several."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, inference_threads=2) as queue:
            request = asyncio.create_task(queue.score([pair(1, 10)]))
            await until_running(gate)
            start = time.perf_counter()
            await asyncio.sleep(0.1)
            gate.open.release()
            await request
            assert queue.tokens_per_s <= 10 / 0.1
            assert queue.tokens_per_s >= 10 / (time.perf_counter() - start + 0.1)

    run(test)


def test_what_was_run_is_not_counted_any_more() -> None:
    """After a run of 100 tokens there are 6 tokens before a request, not 56: at 1 a second 20 s are enough for its 3.

    Nor does a later batch share the CPUs with it: it is the only work again.
    """
    single: list[int] = []

    def run_single(batch: Sequence[Pair]) -> Logits:
        single.append(len(batch))
        return gate(batch)

    gate = Gate()

    async def test() -> None:
        throughput = FixedThroughput(1)
        queue = Batcher(
            gate,
            inference_threads=1,
            max_batch_tokens=0,
            max_queue_tokens=1000,
            run_single=run_single,
            throughput=throughput,
        )
        queue.start()
        gate.open.release()
        await queue.score([pair(1, 100)])
        await until_running(gate)
        request = asyncio.create_task(queue.score([pair(2)]))
        await until_running(gate)
        assert single == [1, 1]
        waiting = asyncio.create_task(queue.score([pair(3)] * 2))
        await asyncio.sleep(0)
        queue.check_admission(3, within(20))
        with pytest.raises(
            Overloaded, match="request's 3 tokens cannot be processed by its deadline, with 6 tokens ahead"
        ):
            queue.check_admission(3, within(10))
        for _ in range(3):
            gate.open.release()
        await asyncio.gather(request, waiting)
        queue.close()

    run(test)


def admits(queue: Batcher) -> bool:
    try:
        queue.check_admission(1, CallOptions())
    except ShuttingDown:
        return False
    return True


def test_closing_finishes_what_is_queued_and_lets_nobody_in() -> None:
    """A draining server answers those who wait and sends the others away."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            request = asyncio.create_task(queue.score([pair(1), pair(2)]))
            await until_running(gate)
            closing = asyncio.create_task(asyncio.to_thread(queue.close))
            while admits(queue):
                await asyncio.sleep(0.001)
            with pytest.raises(ShuttingDown, match="send the request to another server"):
                await queue.score([pair(3)])
            gate.open.release()
            gate.open.release()
            assert (await request).logits.tolist() == [1, 2]
            await closing

    run(test)
