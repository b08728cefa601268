"""The queue before the model: who is let in, who runs next, and who is told when it is done.

`lanes` threads pull from one queue, each with one run of the model going at a time, so the device is never idle while a
pair waits and a pair waits only while every lane is busy: there is no batching timer. A request is admitted with all of
its pairs or not at all, and is answered when its last pair is done. A batch that fails is run again pair by pair, so
only the request whose pair is guilty fails; a lane survives whatever the model raises.

One lock guards the queue; results cross to the event loop once a request, by `call_soon_threadsafe`.
"""

import asyncio
import itertools
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.pair import Logits, Pair
from models.plan import ONE_PAIR, plan
from service.errors import ModelFailed, NotReady, Overloaded, RerankError

log = logging.getLogger(__name__)

Run = Callable[[Sequence[Pair]], Logits]
"""The model: pairs to logits of shape [pairs]; called from every lane's thread."""

PLANNED_PAIRS = 512
"""Waiting pairs that a batch is chosen from, oldest first."""
LONGEST_RETRY_S = 60
"""What clients honour at most of a Retry-After (the cohere SDK's limit)."""


class Scored(NamedTuple):
    """A finished request: logits of shape [pairs], float32; seconds waited for the first run, and from there to the
    end.
    """

    logits: Logits
    queue_s: float
    inference_s: float


class _Request:
    """The pairs of one request that are still to be answered, and who waits for them."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.logits = np.empty(len(pairs), np.float32)
        self.missing = len(pairs)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.error: RerankError | None = None
        self.admitted = time.perf_counter()
        self.started = math.inf
        self.finished = math.inf

    def settle(self) -> None:
        """Wake the waiter, if it still waits; on the event loop."""
        if not self.future.done():
            if self.error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(self.error)


class _Item(NamedTuple):
    """One waiting pair and its place in its request."""

    request: _Request
    place: int
    pair: Pair


class Batcher:
    """The bounded queue with its lanes; `start` before the first `score`, `close` once at the end."""

    def __init__(self, run: Run, *, lanes: int, max_batch_tokens: int, max_queue_tokens: int) -> None:
        self._run = run
        self._max_batch_tokens = max_batch_tokens
        self._max_queue_tokens = max_queue_tokens
        self._queue: deque[_Item] = deque()
        self._queued_tokens = 0
        self._tokens_per_s = 0.0
        self._open = True
        self._changed = threading.Condition()
        self._lanes = [threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(lanes)]

    def start(self) -> None:
        """Start the lanes."""
        for lane in self._lanes:
            lane.start()

    def close(self) -> None:
        """Let nobody in any more, finish what is queued, and end the lanes."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for lane in self._lanes:
            if lane.is_alive():
                lane.join()

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait for a lane."""
        return self._queued_tokens

    @property
    def queued_pairs(self) -> int:
        """Pairs that wait for a lane."""
        return len(self._queue)

    async def score(self, pairs: Sequence[Pair]) -> Scored:
        """Queue all pairs of a request and wait for their logits.

        Raises:
            Overloaded: the queue has no room for all of them; none was queued. A request alone always fits.
            ModelFailed: the model failed on one of these pairs.
            NotReady: the batcher is closed.
        """
        if not pairs:
            return Scored(np.empty(0, np.float32), 0.0, 0.0)
        request = _Request(pairs)
        self._admit(request, pairs)
        try:
            await request.future
        except asyncio.CancelledError:
            with self._changed:
                self._forget(request)
            raise
        return Scored(request.logits, request.started - request.admitted, request.finished - request.started)

    def _admit(self, request: _Request, pairs: Sequence[Pair]) -> None:
        lengths = [len(pair) for pair in pairs]
        longest_first = itertools.chain.from_iterable(plan(lengths, ONE_PAIR))
        items = [_Item(request, index, pairs[index]) for index in longest_first]
        with self._changed:
            if not self._open:
                raise NotReady("the server is shutting down: send the request to another one", retry_after_s=1)
            if self._queue and self._queued_tokens + sum(lengths) > self._max_queue_tokens:
                raise self._overloaded(sum(lengths))
            self._queue.extend(items)
            self._queued_tokens += sum(lengths)
            self._changed.notify(len(items))

    def _overloaded(self, tokens: int) -> Overloaded:
        wait_s = self._queued_tokens / self._tokens_per_s if self._tokens_per_s else 1.0
        return Overloaded(
            f"{self._queued_tokens} tokens wait for the model and this request's {tokens} do not fit "
            f"beside them (max_queue_tokens {self._max_queue_tokens}): try again later",
            retry_after_s=max(1, min(LONGEST_RETRY_S, math.ceil(wait_s))),
        )

    def _lane(self) -> None:
        while batch := self._take():
            start = time.perf_counter()
            outcome = self._attempt([item.pair for item in batch])
            if outcome is None and len(batch) > 1:
                outcomes = [self._attempt([item.pair]) for item in batch]
            else:
                outcomes = [None] * len(batch) if outcome is None else [outcome[n : n + 1] for n in range(len(batch))]
            self._deliver(batch, outcomes, start)

    def _take(self) -> list[_Item]:
        """Wait for work and take the batch that holds the oldest pair; empty when closed and nothing is left."""
        with self._changed:
            while not self._queue:
                if not self._open:
                    return []
                self._changed.wait()
            if self._max_batch_tokens == ONE_PAIR:
                batch = [self._queue.popleft()]
            else:
                batch = self._take_batch()
            self._queued_tokens -= sum(len(item.pair) for item in batch)
            return batch

    def _forget(self, request: _Request) -> None:
        """Drop the waiting pairs of a request that nobody waits for any more; the caller holds the lock."""
        self._queue = deque(item for item in self._queue if item.request is not request)
        self._queued_tokens = sum(len(item.pair) for item in self._queue)

    def _take_batch(self) -> list[_Item]:
        """Plan the oldest waiting pairs and take the batch of the very oldest; the others keep their places."""
        waiting = [self._queue.popleft() for _ in range(min(len(self._queue), PLANNED_PAIRS))]
        batches = plan([len(item.pair) for item in waiting], self._max_batch_tokens)
        chosen = next(set(batch) for batch in batches if 0 in batch)
        self._queue.extendleft(waiting[place] for place in reversed(range(len(waiting))) if place not in chosen)
        return [waiting[place] for place in sorted(chosen)]

    def _attempt(self, pairs: list[Pair]) -> Logits | None:
        """Run the model once; None when it fails or answers with something that is not finite."""
        try:
            logits = self._run(pairs)
        except Exception:
            log.exception("the model failed on a batch of %d pairs", len(pairs))
            return None
        if not np.isfinite(logits).all():
            log.error("the model gave a logit that is not finite in a batch of %d pairs", len(pairs))
            return None
        return logits

    def _deliver(self, batch: list[_Item], outcomes: Sequence[Logits | None], start: float) -> None:
        end = time.perf_counter()
        done: set[_Request] = set()
        with self._changed:
            self._measure(sum(len(item.pair) for item in batch), end - start)
            for item, outcome in zip(batch, outcomes, strict=True):
                request = item.request
                request.started = min(request.started, start)
                request.missing -= 1
                if outcome is None:
                    request.error = ModelFailed(f"the model failed on pair {item.place}", pair=item.place)
                    self._forget(request)
                else:
                    request.logits[item.place] = outcome[0]
                if request.missing == 0 or request.error is not None:
                    request.finished = end
                    done.add(request)
        for request in done:
            _wake(request)

    def _measure(self, tokens: int, seconds: float) -> None:
        """Keep a running mean of the tokens per second that all lanes give together."""
        rate = len(self._lanes) * tokens / max(seconds, 1e-9)
        self._tokens_per_s = rate if not self._tokens_per_s else 0.95 * self._tokens_per_s + 0.05 * rate


def _wake(request: _Request) -> None:
    try:
        request.loop.call_soon_threadsafe(request.settle)
    except RuntimeError:
        log.warning("a request's event loop was closed before its answer")
