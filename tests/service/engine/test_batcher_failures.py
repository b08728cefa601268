"""What the model fails on: only the guilty pair's request is told, and the inference thread lives on."""

import asyncio
import logging
from collections.abc import Sequence

import numpy as np
import pytest

from models.batching import NO_BATCHING, DeviceOutOfMemory
from models.pair import Logits, Pair
from service.engine.batcher import Batcher
from service.engine.entry import Scored
from service.errors import ModelFailed
from tests.support.engine import batcher, marks, pair, run


def test_a_failing_pair_fails_its_own_request_only() -> None:
    """A batch that raises is run again in halves; the inference thread lives on."""

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


def test_a_failing_pair_is_found_by_halves() -> None:
    """One of 64 pairs in a batch fails: it is found in 13 runs, not 65, and all other requests are answered."""
    runs: list[int] = []

    def model(batch: Sequence[Pair]) -> Logits:
        runs.append(len(batch))
        if any(one.ids[0] == 13 for one in batch):
            raise RuntimeError("bad pair")
        return marks(batch)

    async def test() -> None:
        queue = Batcher(model, inference_threads=1, max_batch_tokens=64 * 3, max_queue_tokens=10**6)
        requests = [asyncio.create_task(queue.score([pair(mark)])) for mark in range(64)]
        await asyncio.sleep(0)
        queue.start()
        answers = await asyncio.gather(*requests, return_exceptions=True)
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
        requests = [asyncio.create_task(queue.score([pair(mark)])) for mark in range(64)]
        await asyncio.sleep(0)
        queue.start()
        with caplog.at_level(logging.WARNING):
            answers = await asyncio.gather(*requests)
        queue.close()
        assert [answer.logits.tolist() for answer in answers] == [[mark] for mark in range(64)]

    run(test)
    assert runs == [32, 16, 8, 8, 16, 8, 8, 8, 8, 8, 8]
    assert "exceeded the device's memory" in caplog.text


def test_a_run_that_failed_says_nothing_of_the_throughput() -> None:
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
