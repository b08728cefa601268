"""Deadlines, pace and padding as they are counted: what is before a request, what is not begun, what a batch may be."""

import asyncio
import logging

import pytest

from models.batching import NO_BATCHING, DeviceOutOfMemory
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions, QueueEntry
from service.engine.executor import BatchExecutor
from service.engine.token_estimate import TokenEstimator
from service.errors import DeadlineExceeded, Overloaded
from service.job import Job
from tests.service.engine.test_batcher import Gate, batcher, marks, pair, run, until_running
from tests.service.engine.test_batcher_overload import at_pace, within


@pytest.mark.parametrize("budget", [NO_BATCHING, 100])
def test_what_runs_counts_half_and_what_waits_or_is_staged_whole(budget: int) -> None:
    """1.15 times (3 waiting, half of 100 running, 3 of its own) at 10 tokens a second is 6.4 s: 3.4 s too many."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=budget) as queue:
            asked = [asyncio.create_task(queue.score([pair(1, 100)]))]
            await until_running(gate)
            asked.append(asyncio.create_task(queue.score([pair(2)])))
            await asyncio.sleep(0)
            at_pace(queue, 10)
            for entry in (lambda: queue.score([pair(3)], within(3)), lambda: early(queue)):
                with pytest.raises(Overloaded, match="deadline") as told:
                    await entry()
                assert told.value.retry_after_s == 4
            queue.refuse_early(3, within(8))
            for _ in range(2):
                gate.open.release()
            await asyncio.gather(*asked)

    async def early(queue: Batcher) -> None:
        queue.refuse_early(3, within(3))

    run(test)


def test_what_was_staged_is_before_a_request() -> None:
    """Three pairs of 20 tokens that were taken from the turns for the next batches."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20) as queue:
            asked = asyncio.create_task(queue.score([pair(1, 20)] * 4))
            await until_running(gate)
            assert not queue._scheduler
            at_pace(queue, 10)
            with pytest.raises(Overloaded, match="60 tokens are before this request's 3"):
                await queue.score([pair(2)], within(5))
            for _ in range(4):
                gate.open.release()
            await asked

    run(test)


def test_what_would_be_late_is_not_begun_but_what_was_begun_is_finished() -> None:
    """As long as the deadline itself has not passed, and only while others wait."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            begun = asyncio.create_task(queue.score([pair(1)] * 2, within(8)))
            await until_running(gate)
            late = asyncio.create_task(queue.score([pair(2)], within(8)))
            last = asyncio.create_task(queue.score([pair(3)], within(8)))
            await asyncio.sleep(0)
            at_pace(queue, 0.3)
            for _ in range(3):
                gate.open.release()
            with pytest.raises(DeadlineExceeded):
                await late
            assert (await begun).logits.tolist() == [1, 1]
            assert (await last).logits.tolist() == [3], "nobody else waits any more"
            assert gate.ran == [[1], [1], [3]]

    run(test)


def test_a_cancelled_request_leaves_the_staged_pairs_too() -> None:
    """And those of others stay."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20) as queue:
            gone = asyncio.create_task(queue.score([pair(1, 20)] * 2))
            kept = asyncio.create_task(queue.score([pair(2, 20)]))
            await until_running(gate)
            assert not queue._scheduler
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
        asked = asyncio.create_task(queue.score([pair(1, 10), pair(2, 4)]))
        await asyncio.sleep(0)
        queue.start()
        for _ in batches:
            gate.open.release()
        await asked
        queue.close()
        assert gate.ran == batches

    run(test)


def test_padding_to_a_multiple_is_counted() -> None:
    """10 and 4 tokens in two rows of 16."""
    runs = BatchExecutor(marks, marks, 100, 8)
    runs.outcomes([pair(1, 10), pair(2, 4)])
    assert runs.padding_ratio == 18 / 32


def test_a_pair_that_alone_does_not_fit_leaves_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    """A smaller batch would not help it; it fails, and the model is not run one pair at a time from now on."""

    def full(_: object) -> None:
        raise DeviceOutOfMemory

    runs = BatchExecutor(full, full, 100, 8)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        assert runs.outcomes([pair(1, 30)]) == [None]
    assert runs.budget == 100


def test_waiting_ends_with_the_first_run() -> None:
    """Though the last pair is begun much later."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate) as queue:
            asked = asyncio.create_task(queue.score([pair(1)] * 2))
            await until_running(gate)
            await asyncio.sleep(0.2)
            for _ in range(2):
                gate.open.release()
            scored = await asked
            assert scored.queue_s < 0.2 <= scored.inference_s

    run(test)


def test_an_answer_that_nobody_waits_for_any_more_is_no_error() -> None:
    """A request is cancelled while its last pair is with the model."""

    async def test() -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        entry = QueueEntry([pair(1)], CallOptions())
        waiting = asyncio.create_task(entry.answered())
        await asyncio.sleep(0)
        waiting.cancel()
        assert entry.deliver(0, 1.0, 0.0, 1.0)
        entry.wake()
        await asyncio.sleep(0.01)
        assert waiting.cancelled()
        assert told == []

    run(test)


def test_an_estimate_never_learns_more_than_a_token_a_character() -> None:
    """A request of one character in a thousand windows says nothing of others."""
    estimate = TokenEstimator(8192)
    estimate.learn([Job(query="", documents=["a"])], 10**6)
    assert estimate.tokens([Job(query="", documents=["a" * 1000])]) <= 200
