"""Who has room in a full queue, who gives way there, and how keys share the model."""

import asyncio

import pytest

from service.engine.entry import CallOptions
from service.errors import Overloaded
from tests.support.engine import FixedThroughput, Gate, batcher, pair, run, until_running


def test_a_key_has_its_part_of_a_queue_that_another_filled() -> None:
    """By its share; what is beyond that is refused, and so is more of the other's."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=120) as queue:
            requests = [asyncio.create_task(queue.score([pair(1)] * 41, CallOptions(key="flood")))]
            await until_running(gate)
            with pytest.raises(Overloaded):
                await queue.score([pair(1)], CallOptions(key="flood"))
            with pytest.raises(Overloaded):
                await queue.score([pair(2)] * 21, CallOptions(key="mine"))
            with pytest.raises(Overloaded):
                await queue.score([pair(2)] * 20, CallOptions(key="mine", share=0.5))
            requests.append(asyncio.create_task(queue.score([pair(2)] * 20, CallOptions(key="mine"))))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await queue.score([pair(2)], CallOptions(key="mine"))
            for _ in range(61):
                gate.open.release()
            await asyncio.gather(*requests)

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
            with pytest.raises(Overloaded, match="has no room for"):
                await queue.score([pair(4)] * 2, CallOptions(priority=9))
            urgent = asyncio.create_task(queue.score([pair(5)] * 2, CallOptions(priority=0)))
            with pytest.raises(Overloaded, match="higher priority") as refused:
                await lowest
            assert refused.value.retry_after_s is not None
            for _ in range(5):
                gate.open.release()
            await asyncio.gather(begun, low, urgent)
            assert gate.ran == [[1], [5], [5], [3], [1]]

    run(test)


def test_a_request_whose_first_pair_is_with_the_model_does_not_make_room() -> None:
    """It has begun, though nothing has come back of it yet."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=6) as queue:
            begun = asyncio.create_task(queue.score([pair(1)] * 3, CallOptions(priority=9)))
            await until_running(gate)
            with pytest.raises(Overloaded, match="holds 6 tokens"):
                await queue.score([pair(2)], CallOptions(priority=0))
            for _ in range(3):
                gate.open.release()
            assert (await begun).logits.tolist() == [1, 1, 1]

    run(test)


def test_when_to_come_back_is_when_there_is_room() -> None:
    """For a request larger than the queue, when the queue is empty; pushing out what is not enough changes nothing."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=30, throughput=FixedThroughput(1)) as queue:
            first = asyncio.create_task(queue.score([pair(1)] * 6))
            await until_running(gate)
            low = asyncio.create_task(queue.score([pair(1)], CallOptions(priority=9)))
            await asyncio.sleep(0)
            for pairs, retry_after_s in ((5, 3), (9, 15), (100, 18)):
                with pytest.raises(Overloaded, match="holds 18 tokens") as refused:
                    await queue.score([pair(2)] * pairs, CallOptions(priority=9))
                assert refused.value.retry_after_s == retry_after_s
            with pytest.raises(Overloaded) as refused:
                await queue.score([pair(2)] * 9, CallOptions(priority=5))
            assert refused.value.retry_after_s == 15
            for _ in range(7):
                gate.open.release()
            await asyncio.gather(first, low)

    run(test)


def test_a_request_without_a_chance_is_refused_before_it_is_tokenised() -> None:
    """By an estimate of its tokens."""

    async def test() -> None:
        gate = Gate()
        with batcher(gate, max_queue_tokens=10) as queue:
            first = asyncio.create_task(queue.score([pair(1)] * 4))
            await until_running(gate)
            queue.check_admission(1, CallOptions())
            with pytest.raises(Overloaded):
                queue.check_admission(100, CallOptions())
            for _ in range(4):
                gate.open.release()
            await first
            queue.check_admission(10**9, CallOptions())

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
            assert max(index for index, mark in enumerate(order) if mark == 2) < 12

    run(test)
