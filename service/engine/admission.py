"""Admission: decides whether a request may enter the queue. All 429 errors of the server come from this file.

A request gets a 429 if too many requests are in flight (`ConcurrencyLimit`), if its tokens do not fit in the queue, or
if it cannot be answered by its deadline (`Admission`). It is admitted with all of its pairs or not at all; if the queue
is empty, it is always admitted, however large it is. In a full queue a request still gets its API key's part, and one
of higher priority displaces those of lower priority, which then get a 429 as well.

This file uses no threads, locks or clock: the batcher calls it under its lock and passes the time.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from models.wording import are, counted
from service.engine.entry import CallOptions
from service.engine.scheduler import FairScheduler, Schedulable
from service.engine.throughput import ThroughputEstimator
from service.errors import Overloaded

QUEUE_S = 120
"""Default size of the queue in seconds of work: about as long as patient clients wait."""
UNMEASURED_TOKENS = 1_000_000
"""Size of the queue in tokens before the first run has been measured."""
DEADLINE_MARGIN = 1.15
"""Safety factor on the expected time of a request: the throughput is a mean, and other requests arrive."""
CONCURRENCY_RETRY_S = 1
"""Retry-After if too many requests are in flight: any of them may finish soon."""


class Displaceable(Schedulable, Protocol):
    """A queued request that a request of higher priority may displace."""

    @property
    def begun(self) -> bool:
        """Whether the model has received one of its pairs; then it is no longer displaced."""


E = TypeVar("E", bound=Displaceable)


class TakenTokens(NamedTuple):
    """Tokens that have left the scheduler but are not finished."""

    staged: int = 0
    """Tokens of the pairs from which the next batches are chosen; they are still waiting."""
    staged_of_key: int = 0
    """The staged tokens of the request's API key."""
    running: int = 0
    """Tokens that the model is processing."""


NONE_TAKEN = TakenTokens()


class Admission(Generic[E]):
    """The admission rules of the queue: its capacity, each key's part of it, and deadlines."""

    def __init__(self, scheduler: FairScheduler[E], throughput: ThroughputEstimator, max_queue_tokens: int = 0) -> None:
        """Set up the rules for a queue.

        Args:
            scheduler: the waiting requests.
            throughput: the measured throughput of the model.
            max_queue_tokens: the maximum number of waiting tokens; 0 for what the model processes in `QUEUE_S`.
        """
        self._scheduler = scheduler
        self._throughput = throughput
        self._max_queue_tokens = max_queue_tokens

    @property
    def max_queue_tokens(self) -> int:
        """Maximum number of waiting tokens: as set, else what the model processes in `QUEUE_S` at the measured rate."""
        return self._max_queue_tokens or round(QUEUE_S * self._throughput.tokens_per_s) or UNMEASURED_TOKENS

    def check(self, tokens: int, options: CallOptions, now: float, taken: TakenTokens = NONE_TAKEN) -> list[E]:
        """Check that a request may enter the queue.

        Args:
            tokens: the total length of its pairs.
            options: its priority, key, share and deadline.
            now: the current time of `time.perf_counter`, the clock of deadlines.
            taken: tokens that have left the scheduler but are not finished.

        Returns:
            The requests of lower priority that it displaces from the queue, usually none.

        Raises:
            Overloaded: the queue is full, or the request cannot be answered by its deadline.
        """
        displaced = self._make_room(tokens, options, taken)
        self._check_deadline(tokens, options, now, taken)
        return displaced

    def displacement(self, tokens: int) -> Overloaded:
        """Make the error for a request displaced by one of `tokens` with higher priority."""
        return self._overloaded(tokens, "displaced from the queue by a request of higher priority")

    def _make_room(self, tokens: int, options: CallOptions, taken: TakenTokens) -> list[E]:
        """Choose the requests to displace from a full queue; raise Overloaded if that is not enough."""
        waiting, room = self._scheduler.tokens + taken.staged, self.max_queue_tokens
        if not waiting or waiting + tokens <= room or self._is_within_part(tokens, options, taken):
            return []
        displaced, left = [], waiting
        for entry, entry_tokens in self._displaceable(options.priority):
            displaced.append(entry)
            left -= entry_tokens
            if left + tokens <= room:
                return displaced
        raise self._overloaded(
            min(waiting, waiting + tokens - room),  # a request larger than the queue fits when the queue is empty
            f"the queue holds {counted(waiting, 'token')} and has no room for this request's {tokens} "
            f"(max_queue_tokens {room})",
        )

    def _is_within_part(self, tokens: int, options: CallOptions, taken: TakenTokens) -> bool:
        """Tell whether the key stays within its part of the queue, which other keys cannot use up."""
        own = self._scheduler.tokens_of_key(options.key) + taken.staged_of_key
        return own + tokens <= self.max_queue_tokens * self._scheduler.fraction(options.key, options.share)

    def _displaceable(self, priority: int) -> Iterator[tuple[E, int]]:
        """Yield requests of lower priority that have not begun, with their tokens: lowest priority and newest first."""
        return ((entry, tokens) for entry, tokens in self._scheduler.of_lower_priority(priority) if not entry.begun)

    def _check_deadline(self, tokens: int, options: CallOptions, now: float, taken: TakenTokens) -> None:
        """Raise Overloaded if a request cannot be answered in time at the measured throughput."""
        ahead = self._scheduler.tokens_ahead(options, tokens) + taken.staged
        expected_s = DEADLINE_MARGIN * self._throughput.seconds(ahead + taken.running // 2 + tokens)
        late_s = now + expected_s - options.deadline
        if late_s > 0 and ahead:
            raise self._overloaded(
                round(late_s * self._throughput.tokens_per_s),
                f"this request's {counted(tokens, 'token')} cannot be processed by its deadline, with "
                f"{counted(ahead, 'token')} ahead of it",
            )

    def _overloaded(self, tokens: int, reason: str) -> Overloaded:
        """Make the 429; Retry-After is the time in which the model processes `tokens`."""
        return Overloaded(f"{reason}: try again later", retry_after_s=self._throughput.retry_after_s(tokens))


class ConcurrencyLimit:
    """Limits the requests in flight, each of which runs in `with limit:`; for use on the event loop only."""

    def __init__(self, max_concurrent_requests: int) -> None:
        self._max_concurrent_requests = max_concurrent_requests
        self.in_flight = 0

    def __enter__(self) -> None:
        if self.in_flight >= self._max_concurrent_requests:
            raise Overloaded(
                f"{counted(self.in_flight, 'request')} {are(self.in_flight)} in flight, the most that this server "
                f"allows: try again later",
                retry_after_s=CONCURRENCY_RETRY_S,
            )
        self.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self.in_flight -= 1
