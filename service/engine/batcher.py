"""The queue before the model: who is let in, who runs next, and who is told when it is done.

`lanes` threads pull from one queue, each with one run of the model going at a time, so the device is never idle while a
pair waits and a pair waits only while every lane is busy: there is no batching timer. Whose pair is next says
`turns.py`. A request is admitted with all of its pairs or not at all, and only if it can be answered by its deadline;
one whose deadline passes all the same, or whose client is gone, leaves the queue between runs. A batch that fails is
halved until the guilty pair is alone, so only its request fails; one that does not fit the device's memory is halved
and the budget with it. A lane survives whatever the model raises.

One lock guards the queue; results cross to the event loop once a request, by `call_soon_threadsafe`.
"""

import itertools
import threading
import time
from collections.abc import Sequence

import numpy as np

from models.batching import NO_BATCHING, RUN_COST_TOKENS, plan_batches
from models.pair import Pair
from service.engine.entry import CallOptions, QueueEntry, Scored
from service.engine.executor import BatchExecutor, Run
from service.engine.scheduler import FairScheduler, Schedulable
from service.engine.throughput import ThroughputEstimator
from service.errors import DeadlineExceeded, ModelFailed, NotReady, Overloaded, RerankError

EntryPair = tuple[QueueEntry, int]
"""One pair: its request and its place there."""

QUEUE_S = 120
"""What patient clients wait at most; the impatient say so (a deadline), or leave and take their pairs with them."""
UNMEASURED_TOKENS = 1_000_000
"""Room in the queue before the first run was timed."""
MARGIN = 1.15
"""Of the time that a request is expected to take, where it must be in time: the pace is a mean, and others come."""
LATE = "the deadline of this request passes before the model can answer it"
STAGED_BATCHES = 4
"""Budgets' worth of pairs that a batch is chosen from: more would let the padding be less and the turns be late."""


class Batcher:
    """The bounded queue with its lanes; `start` before the first `score`, `close` once at the end."""

    def __init__(
        self,
        run: Run,
        *,
        inference_threads: int,
        max_batch_tokens: int,
        max_queue_tokens: int,
        run_single: Run | None = None,
        length_multiple: int = 1,
    ) -> None:
        """Make the queue.

        Args:
            run: the model.
            inference_threads: runs of the model at a time.
            max_batch_tokens: padded tokens of a batch, or `NO_BATCHING`.
            max_queue_tokens: tokens that may wait, beside each key's part; 0 for what is done in `QUEUE_S`.
            run_single: the model with all CPUs on one batch, for one that has the house to itself.
            length_multiple: what a batch's length is padded to, for the padding ratio.
        """
        self._executor = BatchExecutor(run, run_single or run, max_batch_tokens, length_multiple)
        self._run_cost_tokens = RUN_COST_TOKENS
        self._running = 0
        self._max_tokens = max_queue_tokens
        self._scheduler: FairScheduler[QueueEntry] = FairScheduler()
        self._staged: list[EntryPair] = []
        self._running_tokens = 0
        self._throughput = ThroughputEstimator(inference_threads)
        self._open = True
        self._changed = threading.Condition()
        self._lanes = [
            threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(inference_threads)
        ]

    def start(self) -> None:
        """Start the lanes."""
        for lane in self._lanes:
            lane.start()

    def retune(self, max_batch_tokens: int, run_cost_tokens: int) -> None:
        """Set what a batch may be, as the warm-up measured it."""
        with self._changed:
            self._executor.budget, self._run_cost_tokens = max_batch_tokens, run_cost_tokens

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
        return self._scheduler.tokens + sum(_length(item) for item in tuple(self._staged))

    @property
    def max_queue_tokens(self) -> int:
        """Tokens that may wait: as many as were set, else what the model does in `QUEUE_S` at the measured rate."""
        return self._max_tokens or round(QUEUE_S * self._throughput.tokens_per_s) or UNMEASURED_TOKENS

    @property
    def queued_pairs(self) -> int:
        """Pairs that wait for a lane."""
        return self._scheduler.pairs + len(self._staged)

    @property
    def tokens_per_s(self) -> float:
        """The measured rate of all lanes together."""
        return self._throughput.tokens_per_s

    @property
    def padding_ratio(self) -> float:
        """Padding among the tokens that were run."""
        return self._executor.padding_ratio

    async def score(self, pairs: Sequence[Pair], options: CallOptions | None = None) -> Scored:
        """Queue all pairs of a request and wait for their logits.

        Raises:
            Overloaded: the queue has no room for all of them, or they would be late; none was queued. A request
                alone always fits.
            DeadlineExceeded: the deadline passed in the queue.
            ModelFailed: the model failed on one of these pairs.
            NotReady: the batcher is closed.
        """
        if not pairs:
            return Scored(np.empty(0, np.float32), 0.0, 0.0)
        entry = QueueEntry(pairs, options or CallOptions())
        self._admit(entry)
        try:
            return await entry.answered()
        finally:
            if entry.missing:
                with self._changed:
                    self._forget(entry)

    def refuse_early(self, tokens: int, options: CallOptions) -> None:
        """Raise Overloaded if a request of about so many tokens would be refused now: before it costs anything."""
        with self._changed:
            self._check_room(tokens, options)
            self._check_deadline(tokens, options, options.deadline)

    def _admit(self, entry: QueueEntry) -> None:
        lengths = [len(pair) for pair in entry.pairs]
        tokens = sum(lengths)
        longest_first = itertools.chain.from_iterable(plan_batches(lengths, NO_BATCHING))
        with self._changed:
            if not self._open:
                raise NotReady("the server is shutting down: send the request to another one", retry_after_s=1)
            self._check_deadline(tokens, entry, entry.deadline)
            for lower in self._check_room(tokens, entry):
                self._fail(lower, self._overloaded(tokens, "made room for a request of higher priority"))
            self._scheduler.add(entry, [(place, lengths[place]) for place in longest_first])
            self._changed.notify(len(lengths))

    def _check_room(self, tokens: int, entry: Schedulable) -> list[QueueEntry]:
        """Find whom of lower priority a request would push out of a full queue; raise Overloaded if that is not enough.

        A key has its part of the queue, however much others have put there. The caller holds the lock.
        """
        waiting, room = self.queued_tokens, self.max_queue_tokens
        own = self._scheduler.of_key(entry.key) + sum(
            _length(item) for item in self._staged if item[0].key == entry.key
        )
        has_part = own + tokens <= room * self._scheduler.part(entry.key, entry.share)
        if not waiting or waiting + tokens <= room or has_part:
            return []
        pushed, left = [], waiting
        for lower, of_lower in self._scheduler.lower(entry.priority):
            if not lower.begun:
                pushed.append(lower)
                left -= of_lower
                if left + tokens <= room:
                    return pushed
        raise self._overloaded(
            min(waiting, waiting + tokens - room),  # a request that is larger than the queue waits till it is empty
            f"{waiting} tokens wait for the model and this request's {tokens} do not fit beside them "
            f"(max_queue_tokens {self.max_queue_tokens})",
        )

    def _check_deadline(self, tokens: int, entry: Schedulable, deadline: float) -> None:
        """Raise Overloaded if a request cannot be answered in time at the measured rate; the caller holds the lock."""
        before = self._scheduler.ahead(entry, tokens) + sum(_length(item) for item in self._staged)
        needed = MARGIN * self._throughput.seconds(before + self._running_tokens // 2 + tokens)
        late = time.perf_counter() + needed - deadline
        if late > 0 and before:
            raise self._overloaded(
                round(late * self._throughput.tokens_per_s),
                f"{before} tokens are before this request's {tokens}: it cannot be answered by its deadline",
            )

    def _overloaded(self, tokens: int, why: str) -> Overloaded:
        return Overloaded(f"{why}: try again later", retry_after_s=self._throughput.retry_after_s(tokens))

    def _lane(self) -> None:
        while taken := self._take():
            batch, alone = taken
            start = time.perf_counter()
            outcomes = self._executor.outcomes([entry.pairs[place] for entry, place in batch], alone=alone)
            self._deliver(batch, outcomes, start, time.perf_counter(), alone=alone)

    def _take(self) -> tuple[list[EntryPair], bool] | None:
        """Wait for work and take a batch, and tell whether there is no other; None when closed and nothing is left."""
        with self._changed:
            while True:
                batch = self._next_batch()
                if batch:
                    self._running_tokens += sum(map(_length, batch))
                    self._running += 1
                    for entry, _ in batch:
                        entry.begun = True
                    return batch, self._running == 1 and not self._scheduler and not self._staged
                if not self._open:
                    return None
                self._changed.wait()

    def _next_batch(self) -> list[EntryPair]:
        """Take the pair whose turn it is, with others of like length as far as the budget goes.

        Of the staged pairs that is the one of the highest priority that was staged first.
        """
        if self._executor.budget == NO_BATCHING:
            item = self._next()
            return [] if item is None else [item]
        now = time.perf_counter()
        for late in {entry for entry, _ in self._staged if entry.deadline <= now}:
            self._fail(late, DeadlineExceeded(LATE))
        staged_tokens = sum(map(_length, self._staged))
        while staged_tokens < STAGED_BATCHES * self._executor.budget and (item := self._next()) is not None:
            self._staged.append(item)
            staged_tokens += _length(item)
        if not self._staged:
            return []
        batches = plan_batches([_length(item) for item in self._staged], self._executor.budget, self._run_cost_tokens)
        head = min(range(len(self._staged)), key=lambda place: self._staged[place][0].priority)
        chosen = next(set(batch) for batch in batches if head in batch)
        batch = [item for place, item in enumerate(self._staged) if place in chosen]
        self._staged = [item for place, item in enumerate(self._staged) if place not in chosen]
        return batch

    def _next(self) -> EntryPair | None:
        """Take the next pair that is still of use."""
        while self._scheduler:
            entry, place, _ = self._scheduler.take()
            if time.perf_counter() + self._needed_s(entry) < entry.deadline:
                return entry, place
            self._fail(entry, DeadlineExceeded(LATE))
        return None

    def _needed_s(self, entry: QueueEntry) -> float:
        """What a request must have left to be begun while others wait: what would be late is not begun at all."""
        others_wait = self.queued_pairs > len(entry.pairs) - 1
        return self._throughput.seconds(entry.tokens) if others_wait and not entry.begun else 0.0

    def _forget(self, entry: QueueEntry) -> None:
        """Drop the waiting pairs of a request that nobody waits for any more; the caller holds the lock."""
        self._scheduler.remove(entry)
        self._staged = [item for item in self._staged if item[0] is not entry]

    def _fail(self, entry: QueueEntry, error: RerankError) -> None:
        """End a request with an error; the caller holds the lock."""
        entry.error = error
        self._forget(entry)
        entry.wake()

    def _deliver(
        self, batch: list[EntryPair], outcomes: Sequence[float | None], start: float, end: float, *, alone: bool
    ) -> None:
        done: list[QueueEntry] = []
        with self._changed:
            tokens = sum(map(_length, batch))
            self._running_tokens -= tokens
            self._running -= 1
            if None not in outcomes:  # what fails is over at once
                self._throughput.measure(tokens, (end - start) * (len(self._lanes) if alone else 1))
            for (entry, place), outcome in zip(batch, outcomes, strict=True):
                if outcome is None and entry.error is None:
                    self._fail(entry, ModelFailed(f"the model failed on pair {place}", pair=place))
                elif outcome is not None and entry.deliver(place, outcome, start, end):
                    done.append(entry)
        for entry in done:
            entry.wake()


def _length(item: EntryPair) -> int:
    entry, place = item
    return len(entry.pairs[place])
