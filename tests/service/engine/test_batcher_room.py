"""Who has room in a full queue, who gives way there, and what of a batch is begun first."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from models.pair import Logits, Pair
from service.engine.entry import CallOptions
from service.errors import DeadlineExceeded, ModelFailed, Overloaded
from tests.service.engine.test_batcher import Gate, batcher, pair, run, until_running
from tests.service.engine.test_batcher_overload import at_pace, within


def test_a_key_has_its_part_of_a_queue_that_another_filled() -> None:
    """By its share; what is beyond that is refused, and so is more of the other's."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=120) as queue:
            asked = [asyncio.create_task(queue.score([pair(1)] * 41, CallOptions(key="flood")))]
            await until_running(gate)
            with pytest.raises(Overloaded):
                await queue.score([pair(1)], CallOptions(key="flood"))
            with pytest.raises(Overloaded):
                await queue.score([pair(2)] * 21, CallOptions(key="mine"))
            with pytest.raises(Overloaded):
                await queue.score([pair(2)] * 20, CallOptions(key="mine", share=0.5))
            asked.append(asyncio.create_task(queue.score([pair(2)] * 20, CallOptions(key="mine"))))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await queue.score([pair(2)], CallOptions(key="mine"))
            for _ in range(61):
                gate.open.release()
            await asyncio.gather(*asked)

    run(test)


def test_a_request_whose_first_pair_is_with_the_model_does_not_make_room() -> None:
    """It has begun, though nothing has come back of it yet."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=6) as queue:
            begun = asyncio.create_task(queue.score([pair(1)] * 3, CallOptions(priority=9)))
            await until_running(gate)
            with pytest.raises(Overloaded, match="6 tokens wait"):
                await queue.score([pair(2)], CallOptions(priority=0))
            for _ in range(3):
                gate.open.release()
            assert (await begun).logits.tolist() == [1, 1, 1]

    run(test)


def test_when_to_come_back_is_when_there_is_room() -> None:
    """For a request larger than the queue, when the queue is empty; pushing out what is not enough changes nothing."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=30) as queue:
            at_pace(queue, 1)
            first = asyncio.create_task(queue.score([pair(1)] * 6))
            await until_running(gate)
            low = asyncio.create_task(queue.score([pair(1)], CallOptions(priority=9)))
            await asyncio.sleep(0)
            for pairs, retry_after_s in ((5, 3), (9, 15), (100, 18)):
                with pytest.raises(Overloaded, match="18 tokens wait") as told:
                    await queue.score([pair(2)] * pairs, CallOptions(priority=9))
                assert told.value.retry_after_s == retry_after_s
            with pytest.raises(Overloaded) as told:
                await queue.score([pair(2)] * 9, CallOptions(priority=5))
            assert told.value.retry_after_s == 15
            for _ in range(7):
                gate.open.release()
            await asyncio.gather(first, low)

    run(test)


def test_a_higher_priority_goes_first_into_a_batch_too() -> None:
    """Before pairs that were staged when it came, which are of another length."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_batch_tokens=20, max_queue_tokens=1000) as queue:
            asked = [asyncio.create_task(queue.score([pair(1)]))]
            await until_running(gate)
            asked += [asyncio.create_task(queue.score([pair(2, 20)] * 4, CallOptions(priority=5)))]
            await asyncio.sleep(0)
            gate.open.release()
            await until_running(gate)
            assert gate.ran == [[1], [2]]
            asked += [asyncio.create_task(queue.score([pair(3, 2)], CallOptions(priority=0)))]
            await asyncio.sleep(0)
            for _ in range(5):
                gate.open.release()
            await asyncio.gather(*asked)
            assert gate.ran == [[1], [2], [3], [2], [2], [2]]

    run(test)


def test_a_staged_request_that_became_late_is_not_run() -> None:
    """On a GPU too, whose next batches are chosen from pairs that have left the turns."""

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
            with pytest.raises(DeadlineExceeded, match="deadline of this request passes"):
                await late
            await first
            assert gate.ran == [[1], [1]]
            assert queue.queued_tokens == 0

    run(test)


def test_a_run_that_failed_says_nothing_of_the_pace() -> None:
    """Or a model that fails at once would seem to be a fast one."""

    def model(batch: Sequence[Pair]) -> Logits:
        raise RuntimeError("at once")

    async def test() -> None:
        with batcher(model) as queue:
            for _ in range(3):
                with pytest.raises(ModelFailed):
                    await queue.score([pair(1)])
            assert queue.tokens_per_s == 0

    run(test)


def test_every_run_is_timed_and_leaves_nothing_behind() -> None:
    """One by all CPUs counts once, one beside others as that of one lane of several."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, inference_threads=2) as queue:
            alone = asyncio.create_task(queue.score([pair(1, 10)]))
            await until_running(gate)
            start = time.perf_counter()
            await asyncio.sleep(0.1)
            gate.open.release()
            await alone
            assert queue.tokens_per_s <= 10 / 0.1
            assert queue.tokens_per_s >= 10 / (time.perf_counter() - start + 0.1)
            assert queue._running_tokens == queue._running == 0

    run(test)
