"""A request in the queue: its pairs, what came out of them so far, and who waits for it."""

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
    """How a request is to be served: its priority, whose it is, and by when."""

    priority: int = 0
    """Lower goes first."""
    key: str = ""
    """Name of the API key; requests of one key share its turns."""
    share: float = 1.0
    """Weight of the key in the fair share, relative to other keys."""
    deadline: float = math.inf
    """When the answer is of no use any more, in seconds of `time.perf_counter`."""


class Scored(NamedTuple):
    """A finished request."""

    logits: Logits
    """Of shape [pairs], float32."""
    queue_s: float
    """Seconds from admission to the start of the first run."""
    inference_s: float
    """Seconds from there to the end of the last run."""


class QueueEntry:
    """The pairs of one request that are still to be answered, and who waits for them; compared by identity."""

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
        """Wait for the last pair; raise what went wrong with one."""
        await self._future
        return Scored(self.logits, self.started - self.admitted, self.finished - self.started)

    def deliver(self, index: int, logit: float, started: float, finished: float) -> bool:
        """Note a pair's logit; True if it was the last."""
        self.logits[index] = logit
        self.started = min(self.started, started)
        self.finished = finished
        self.missing -= 1
        return self.missing == 0

    def wake(self) -> None:
        """Wake the waiter, from any thread; a waiter whose event loop is closed is past waking."""
        try:
            self._loop.call_soon_threadsafe(self._settle)
        except RuntimeError:
            log.warning("a request's event loop was closed before its answer")

    def _settle(self) -> None:
        if self._future.done():  # nobody waits any more
            return
        if self.error is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(self.error)
