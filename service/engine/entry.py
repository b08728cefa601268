"""A request in the queue: its pairs, the logits so far, and the future that its caller awaits."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from models.pair import Logits, Pair
from service.errors import RerankError

log = logging.getLogger(__name__)


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve a request: its priority, API key and deadline."""

    priority: int = 0
    """Requests with lower values are served first."""
    key: str = ""
    """Name of the API key; requests of one key share its part of the throughput."""
    share: float = 1.0
    """Weight of the key in the fair share, relative to other keys."""
    deadline: float = math.inf
    """The latest useful time for the answer, in seconds of `time.perf_counter`."""


class Scored(NamedTuple):
    """The result of a request."""

    logits: Logits
    """Logits of shape [pairs], float32."""
    queue_s: float
    """Seconds from admission to the start of the first run."""
    inference_s: float
    """Seconds from the start of the first run to the end of the last."""


class QueueEntry:
    """The pairs of one request, their results so far, and the future of its caller; compared by identity."""

    def __init__(self, pairs: Sequence[Pair], options: CallOptions) -> None:
        self.pairs = pairs
        self.priority, self.key, self.share = options.priority, options.key, options.share
        self.deadline = options.deadline
        self.tokens = sum(map(len, pairs))
        self.logits = np.empty(len(pairs), np.float32)
        self.missing = len(pairs)
        self.begun = False
        self.error: RerankError | None = None
        self.admitted = time.perf_counter()
        self.started = math.inf
        self.finished = math.inf
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    async def answered(self) -> Scored:
        """Wait for the last pair; raise the error of the request if it has one."""
        await self._future
        return Scored(self.logits, self.started - self.admitted, self.finished - self.started)

    def deliver(self, index: int, logit: float, started: float, finished: float) -> bool:
        """Record a pair's logit; return True if it was the last."""
        self.logits[index] = logit
        self.started = min(self.started, started)
        self.finished = finished
        self.missing -= 1
        return self.missing == 0

    def wake(self) -> None:
        """Wake the caller, from any thread; if its event loop is closed, only log that."""
        try:
            self._loop.call_soon_threadsafe(self._settle)
        except RuntimeError:
            log.warning("a request's event loop was closed before it was answered")

    def _settle(self) -> None:
        if self._future.done():  # the caller was cancelled
            return
        if self.error is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(self.error)
