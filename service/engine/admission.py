"""Admission: may a request enter the queue? Every 429 of the server is decided and worded in this file.

A request gets a 429 where as many are being answered as the server takes (`ConcurrencyLimit`), where its tokens do not
fit into the queue, or where it could not be answered by its deadline (`Admission`). A request is admitted with all of
its pairs or not at all; one that nobody waits before is always admitted, however large it is. In a full queue a request
still gets its API key's part, and one of higher priority takes the room of those of lower priority.

Pure: no threads, no locks and no clock. The batcher asks under its lock and passes the time.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from service.engine.entry import CallOptions
from service.engine.scheduler import FairScheduler, Schedulable
from service.engine.throughput import ThroughputEstimator
from service.errors import Overloaded

QUEUE_S = 120
"""Seconds of work that the queue holds unless a number of tokens is set: as long as patient clients wait."""
UNMEASURED_TOKENS = 1_000_000
"""Tokens that the queue holds before the first run was timed."""
DEADLINE_MARGIN = 1.15
"""Factor on the time that a request is expected to take: the throughput is a mean, and other requests come."""
CONCURRENCY_RETRY_S = 1
"""Retry-After where too many requests are being answered: any of them may be done soon."""


class Displaceable(Schedulable, Protocol):
    """A queued request that may have to give way."""

    @property
    def begun(self) -> bool:
        """Has one of its pairs been given to the model? Then it keeps its room."""


E = TypeVar("E", bound=Displaceable)


class TakenTokens(NamedTuple):
    """Tokens that have left the scheduler and are not done."""

    staged: int = 0
    """Tokens of pairs that the next batches are chosen from; they still wait."""
    staged_of_key: int = 0
    """The part of those that belongs to the request's API key."""
    running: int = 0
    """Tokens of pairs that the model is running."""


NONE_TAKEN = TakenTokens()


class Admission(Generic[E]):
    """The rules of the queue: room, each key's part of it, and deadlines."""

    def __init__(self, scheduler: FairScheduler[E], throughput: ThroughputEstimator, max_queue_tokens: int = 0) -> None:
        """Make the rules over a queue.

        Args:
            scheduler: the requests that wait.
            throughput: the measured rate of the model.
            max_queue_tokens: tokens that may wait; 0 for what the model does in `QUEUE_S`.
        """
        self._scheduler = scheduler
        self._throughput = throughput
        self._max_queue_tokens = max_queue_tokens

    @property
    def max_queue_tokens(self) -> int:
        """Tokens that may wait: as many as were set, else what the model does in `QUEUE_S` at the measured rate."""
        return self._max_queue_tokens or round(QUEUE_S * self._throughput.tokens_per_s) or UNMEASURED_TOKENS

    def check(self, tokens: int, options: CallOptions, now: float, taken: TakenTokens = NONE_TAKEN) -> list[E]:
        """Check that a request may enter the queue.

        Args:
            tokens: the length of all its pairs.
            options: its priority, key, share and deadline.
            now: the time, on the deadline's clock (`time.perf_counter`).
            taken: what has left the scheduler and is not done.

        Returns:
            The requests of lower priority that must leave the queue to make room for it, mostly none.

        Raises:
            Overloaded: there is no room, or the request cannot be answered by its deadline.
        """
        displaced = self._make_room(tokens, options, taken)
        self._check_deadline(tokens, options, now, taken)
        return displaced

    def displacement(self, tokens: int) -> Overloaded:
        """Make the error for a request that made room for `tokens` of higher priority."""
        return self._overloaded(tokens, "made room for a request of higher priority")

    def _make_room(self, tokens: int, options: CallOptions, taken: TakenTokens) -> list[E]:
        """Choose whom to push out of a full queue; raise Overloaded if that is not enough."""
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
            f"{waiting} tokens wait for the model and this request's {tokens} do not fit beside them "
            f"(max_queue_tokens {room})",
        )

    def _is_within_part(self, tokens: int, options: CallOptions, taken: TakenTokens) -> bool:
        """Tell whether the key stays within its part of the queue, which it has however much other keys have queued."""
        own = self._scheduler.tokens_of_key(options.key) + taken.staged_of_key
        return own + tokens <= self.max_queue_tokens * self._scheduler.fraction(options.key, options.share)

    def _displaceable(self, priority: int) -> Iterator[tuple[E, int]]:
        """Requests of lower priority that have not begun, with their tokens: the lowest and newest first."""
        return ((entry, tokens) for entry, tokens in self._scheduler.of_lower_priority(priority) if not entry.begun)

    def _check_deadline(self, tokens: int, options: CallOptions, now: float, taken: TakenTokens) -> None:
        """Raise Overloaded if a request cannot be answered in time at the measured throughput."""
        ahead = self._scheduler.tokens_ahead(options, tokens) + taken.staged
        expected_s = DEADLINE_MARGIN * self._throughput.seconds(ahead + taken.running // 2 + tokens)
        late_s = now + expected_s - options.deadline
        if late_s > 0 and ahead:
            raise self._overloaded(
                round(late_s * self._throughput.tokens_per_s),
                f"{ahead} tokens are before this request's {tokens}: it cannot be answered by its deadline",
            )

    def _overloaded(self, tokens: int, reason: str) -> Overloaded:
        """Make the 429; Retry-After is the time in which so many tokens are done."""
        return Overloaded(f"{reason}: try again later", retry_after_s=self._throughput.retry_after_s(tokens))


class ConcurrencyLimit:
    """Bounds the requests that are being answered: `with limit:` around each; for one thread, the event loop's."""

    def __init__(self, max_concurrent_requests: int) -> None:
        self._max_concurrent_requests = max_concurrent_requests
        self.in_flight = 0

    def __enter__(self) -> None:
        if self.in_flight >= self._max_concurrent_requests:
            raise Overloaded(
                f"{self.in_flight} requests are being answered, as many as this server takes at a time: try later",
                retry_after_s=CONCURRENCY_RETRY_S,
            )
        self.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self.in_flight -= 1
