"""The queue: all or none, oldest first, nobody pays for a neighbour.

The model is a function of the test's own here, because the tests decide when a run ends and which one fails.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from models.batching import NO_BATCHING
from models.pair import Logits, Pair
from service.engine.batcher import Batcher
from service.engine.executor import Run
from service.errors import ModelFailed, NotReady, Overloaded


def pair(mark: int, length: int = 3) -> Pair:
    """A pair that is known by its first token."""
    return Pair(np.array([mark] + [0] * (length - 1)), np.zeros(length, np.int64))


def marks(batch: Sequence[Pair]) -> Logits:
    """A model whose logit is the pair's mark."""
    return np.array([pair.ids[0] for pair in batch], np.float32)


@contextmanager
def batcher(
    run: Run = marks, *, inference_threads: int = 1, max_batch_tokens: int = NO_BATCHING, max_queue_tokens: int = 1000
) -> Iterator[Batcher]:
    """A started batcher that is closed at the end."""
    made = Batcher(
        run, inference_threads=inference_threads, max_batch_tokens=max_batch_tokens, max_queue_tokens=max_queue_tokens
    )
    made.start()
    try:
        yield made
    finally:
        made.close()


class Gate:
    """A model that waits at each run until the test lets it go on, and notes what it ran."""

    def __init__(self) -> None:
        self.ran: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, batch: Sequence[Pair]) -> Logits:
        self.ran.append([int(pair.ids[0]) for pair in batch])
        self.entered.release()
        if not self.open.acquire(timeout=10):
            raise TimeoutError
        return marks(batch)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end within ten seconds."""

    async def bounded() -> None:
        await asyncio.wait_for(test(), 10)

    asyncio.run(bounded())


async def until_running(gate: Gate) -> None:
    """Wait until the model has been entered once more."""
    assert await asyncio.to_thread(gate.entered.acquire, timeout=10)


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
    """Pairs of many requests pass the same lanes, in batches too, and find their way home."""

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


def test_a_failing_pair_fails_its_own_request_only() -> None:
    """A batch that raises is run again pair by pair; the lane lives on."""

    def model(batch: Sequence[Pair]) -> Logits:
        if any(pair.ids[0] == 13 for pair in batch):
            raise RuntimeError("bad pair")
        return marks(batch)

    async def test() -> None:
        for budget in (NO_BATCHING, 100):
            with batcher(model, max_batch_tokens=budget) as queue:
                answers = await asyncio.gather(
                    queue.score([pair(1), pair(2)]),
                    queue.score([pair(3), pair(13)]),
                    queue.score([pair(4)]),
                    return_exceptions=True,
                )
                assert answers[0].logits.tolist() == [1, 2]  # type: ignore[union-attr]
                assert isinstance(answers[1], ModelFailed)
                assert answers[1].pair == 1
                assert answers[2].logits.tolist() == [4]  # type: ignore[union-attr]
                assert (await queue.score([pair(5)])).logits.tolist() == [5]

    run(test)


def test_a_failed_requests_other_pairs_are_not_run() -> None:
    """After its first failure the rest of a request would be work for nobody."""
    ran: list[int] = []

    def model(batch: Sequence[Pair]) -> Logits:
        ran.extend(int(pair.ids[0]) for pair in batch)
        raise RuntimeError("always")

    async def test() -> None:
        with batcher(model) as queue, pytest.raises(ModelFailed):
            await queue.score([pair(mark) for mark in range(50)])

    run(test)
    assert len(ran) < 50


def test_a_logit_that_is_not_finite_is_a_failure() -> None:
    """NaN would be ranked somewhere and sent as null: it is told instead."""

    async def test() -> None:
        with batcher(lambda batch: np.full(len(batch), np.nan, np.float32)) as queue, pytest.raises(ModelFailed):
            await queue.score([pair(1)])

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


def test_every_lane_runs_at_the_same_time() -> None:
    """Two lanes hold two pairs in flight: neither waits while a lane is free."""

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


def test_closing_finishes_what_is_queued_and_lets_nobody_in() -> None:
    """A draining server answers those who wait and sends the others away."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            request = asyncio.create_task(queue.score([pair(1), pair(2)]))
            await until_running(gate)
            closing = asyncio.create_task(asyncio.to_thread(queue.close))
            while queue._open:
                await asyncio.sleep(0.001)
            with pytest.raises(NotReady):
                await queue.score([pair(3)])
            gate.open.release()
            gate.open.release()
            assert (await request).logits.tolist() == [1, 2]
            await closing

    run(test)
