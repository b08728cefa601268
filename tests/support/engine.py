"""What the engine's tests share: pairs known by a number, models whose runs the test decides, a batcher around them."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from models.batching import NO_BATCHING
from models.chunks import ChunkedPairs, ChunkOptions, TooLong
from models.pair import Logits, Pair
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions
from service.engine.executor import Run
from service.engine.throughput import ThroughputEstimator


def pair(mark: int, length: int = 3) -> Pair:
    """A pair that is known by its first token."""
    return Pair(np.array([mark] + [0] * (length - 1)), np.zeros(length, np.int64))


def marks(batch: Sequence[Pair]) -> Logits:
    """A model whose logit is the pair's mark."""
    return np.array([pair.ids[0] for pair in batch], np.float32)


class FixedThroughput(ThroughputEstimator):
    """A rate that the test sets, whatever is run: no test depends on how fast the machine is."""

    def __init__(self, tokens_per_s: float = 0.0) -> None:
        super().__init__(inference_threads=1, tokens_per_s=tokens_per_s)

    def measure(self, tokens: int, seconds: float) -> None:
        """Learn nothing."""


@contextmanager
def batcher(
    run: Run = marks,
    *,
    inference_threads: int = 1,
    max_batch_tokens: int = NO_BATCHING,
    max_queue_tokens: int = 1000,
    throughput: ThroughputEstimator | None = None,
) -> Iterator[Batcher]:
    """A started batcher that is closed at the end."""
    started = Batcher(
        run,
        inference_threads=inference_threads,
        max_batch_tokens=max_batch_tokens,
        max_queue_tokens=max_queue_tokens,
        throughput=throughput,
    )
    started.start()
    try:
        yield started
    finally:
        started.close()


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


def within(seconds: float) -> CallOptions:
    """A request that must be answered within so many seconds from now."""
    return CallOptions(deadline=time.perf_counter() + seconds)


class WordTokeniser:
    """A document of n words becomes n + 1 tokens, and two chunks if it says "twice"; every call is noted."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str], ChunkOptions, int | None]] = []

    def __call__(
        self, query: str, documents: Sequence[str], chunk_options: ChunkOptions, *, max_pairs: int | None
    ) -> ChunkedPairs:
        self.calls.append((query, list(documents), chunk_options, max_pairs))
        if not chunk_options.truncate:
            raise TooLong(len(documents) - 1)
        counts = [2 if "twice" in document else 1 for document in documents]
        lengths = [
            len(document.split()) + 1 for document, count in zip(documents, counts, strict=True) for _ in range(count)
        ]
        pairs = [Pair(np.zeros(length, np.int64), np.zeros(length, np.int64)) for length in lengths]
        return ChunkedPairs(pairs, counts)


def count_words(batch: Sequence[Pair]) -> Logits:
    """A model for `WordTokeniser`'s pairs: the logit is the document's number of words."""
    return np.array([len(pair) - 1 for pair in batch], np.float32)
