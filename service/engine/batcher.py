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
import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from models.batching import ONE_PAIR, RUN_COST_TOKENS, plan
from models.pair import Pair
from service.engine.entry import Ask, Scored, Terms
from service.engine.executor import Run, Runs
from service.engine.scheduler import Asker, Turns
from service.engine.throughput import Pace
from service.errors import ModelFailed, NotReady, Overloaded, RerankError, TooLate

log = logging.getLogger(__name__)

Item = tuple[Ask, int]
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
        lanes: int,
        max_batch_tokens: int,
        max_queue_tokens: int,
        run_alone: Run | None = None,
        length_multiple: int = 1,
    ) -> None:
        """Make the queue.

        Args:
            run: the model.
            lanes: runs at a time.
            max_batch_tokens: padded tokens of a batch, or `ONE_PAIR`.
            max_queue_tokens: tokens that may wait, beside each key's part; 0 for what is done in `QUEUE_S`.
            run_alone: the model with all CPUs on one batch, for one that has the house to itself.
            length_multiple: what a batch's length is padded to, for the padding ratio.
        """
        self._runs = Runs(run, run_alone or run, max_batch_tokens, length_multiple)
        self._run_cost_tokens = RUN_COST_TOKENS
        self._running = 0
        self._max_tokens = max_queue_tokens
        self._turns: Turns[Ask] = Turns()
        self._staged: list[Item] = []
        self._running_tokens = 0
        self._pace = Pace(lanes)
        self._open = True
        self._changed = threading.Condition()
        self._lanes = [threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(lanes)]

    def start(self) -> None:
        """Start the lanes."""
        for lane in self._lanes:
            lane.start()

    def retune(self, max_batch_tokens: int, run_cost_tokens: int) -> None:
        """Set what a batch may be, as the warm-up measured it."""
        with self._changed:
            self._runs.budget, self._run_cost_tokens = max_batch_tokens, run_cost_tokens

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
        return self._turns.tokens + sum(_length(item) for item in tuple(self._staged))

    @property
    def max_queue_tokens(self) -> int:
        """Tokens that may wait: as many as were set, else what the model does in `QUEUE_S` at the measured rate."""
        return self._max_tokens or round(QUEUE_S * self._pace.tokens_per_s) or UNMEASURED_TOKENS

    @property
    def queued_pairs(self) -> int:
        """Pairs that wait for a lane."""
        return self._turns.pairs + len(self._staged)

    @property
    def tokens_per_s(self) -> float:
        """The measured rate of all lanes together."""
        return self._pace.tokens_per_s

    @property
    def padding_ratio(self) -> float:
        """Padding among the tokens that were run."""
        return self._runs.padding_ratio

    async def score(self, pairs: Sequence[Pair], terms: Terms | None = None) -> Scored:
        """Queue all pairs of a request and wait for their logits.

        Raises:
            Overloaded: the queue has no room for all of them, or they would be late; none was queued. A request
                alone always fits.
            TooLate: the deadline passed in the queue.
            ModelFailed: the model failed on one of these pairs.
            NotReady: the batcher is closed.
        """
        if not pairs:
            return Scored(np.empty(0, np.float32), 0.0, 0.0)
        ask = Ask(pairs, terms or Terms())
        self._admit(ask)
        try:
            return await ask.answered()
        finally:
            if ask.missing:
                with self._changed:
                    self._forget(ask)

    def refuse_early(self, tokens: int, terms: Terms) -> None:
        """Raise Overloaded if a request of about so many tokens would be refused now: before it costs anything."""
        with self._changed:
            self._check_room(tokens, terms)
            self._check_deadline(tokens, terms, terms.deadline)

    def _admit(self, ask: Ask) -> None:
        lengths = [len(pair) for pair in ask.pairs]
        tokens = sum(lengths)
        longest_first = itertools.chain.from_iterable(plan(lengths, ONE_PAIR))
        with self._changed:
            if not self._open:
                raise NotReady("the server is shutting down: send the request to another one", retry_after_s=1)
            self._check_deadline(tokens, ask, ask.deadline)
            for lower in self._check_room(tokens, ask):
                self._fail(lower, self._overloaded(tokens, "made room for a request of higher priority"))
            self._turns.add(ask, [(place, lengths[place]) for place in longest_first])
            self._changed.notify(len(lengths))

    def _check_room(self, tokens: int, asker: Asker) -> list[Ask]:
        """Find whom of lower priority a request would push out of a full queue; raise Overloaded if that is not enough.

        A key has its part of the queue, however much others have put there. The caller holds the lock.
        """
        waiting, room = self.queued_tokens, self.max_queue_tokens
        own = self._turns.of_key(asker.key) + sum(_length(item) for item in self._staged if item[0].key == asker.key)
        has_part = own + tokens <= room * self._turns.part(asker.key, asker.share)
        if not waiting or waiting + tokens <= room or has_part:
            return []
        pushed, left = [], waiting
        for lower, of_lower in self._turns.lower(asker.priority):
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

    def _check_deadline(self, tokens: int, asker: Asker, deadline: float) -> None:
        """Raise Overloaded if a request cannot be answered in time at the measured rate; the caller holds the lock."""
        before = self._turns.ahead(asker, tokens) + sum(_length(item) for item in self._staged)
        needed = MARGIN * self._pace.seconds(before + self._running_tokens // 2 + tokens)
        late = time.perf_counter() + needed - deadline
        if late > 0 and before:
            raise self._overloaded(
                round(late * self._pace.tokens_per_s),
                f"{before} tokens are before this request's {tokens}: it cannot be answered by its deadline",
            )

    def _overloaded(self, tokens: int, why: str) -> Overloaded:
        return Overloaded(f"{why}: try again later", retry_after_s=self._pace.retry_after_s(tokens))

    def _lane(self) -> None:
        while taken := self._take():
            batch, alone = taken
            start = time.perf_counter()
            outcomes = self._runs.outcomes([ask.pairs[place] for ask, place in batch], alone=alone)
            self._deliver(batch, outcomes, start, time.perf_counter(), alone=alone)

    def _take(self) -> tuple[list[Item], bool] | None:
        """Wait for work and take a batch, and tell whether there is no other; None when closed and nothing is left."""
        with self._changed:
            while True:
                batch = self._next_batch()
                if batch:
                    self._running_tokens += sum(map(_length, batch))
                    self._running += 1
                    for ask, _ in batch:
                        ask.begun = True
                    return batch, self._running == 1 and not self._turns and not self._staged
                if not self._open:
                    return None
                self._changed.wait()

    def _next_batch(self) -> list[Item]:
        """Take the pair whose turn it is, with others of like length as far as the budget goes.

        Of the staged pairs that is the one of the highest priority that was staged first.
        """
        if self._runs.budget == ONE_PAIR:
            item = self._next()
            return [] if item is None else [item]
        now = time.perf_counter()
        for late in {ask for ask, _ in self._staged if ask.deadline <= now}:
            self._fail(late, TooLate(LATE))
        staged_tokens = sum(map(_length, self._staged))
        while staged_tokens < STAGED_BATCHES * self._runs.budget and (item := self._next()) is not None:
            self._staged.append(item)
            staged_tokens += _length(item)
        if not self._staged:
            return []
        batches = plan([_length(item) for item in self._staged], self._runs.budget, self._run_cost_tokens)
        head = min(range(len(self._staged)), key=lambda place: self._staged[place][0].priority)
        chosen = next(set(batch) for batch in batches if head in batch)
        batch = [item for place, item in enumerate(self._staged) if place in chosen]
        self._staged = [item for place, item in enumerate(self._staged) if place not in chosen]
        return batch

    def _next(self) -> Item | None:
        """Take the next pair that is still of use."""
        while self._turns:
            ask, place, _ = self._turns.take()
            if time.perf_counter() + self._needed_s(ask) < ask.deadline:
                return ask, place
            self._fail(ask, TooLate(LATE))
        return None

    def _needed_s(self, ask: Ask) -> float:
        """What a request must have left to be begun while others wait: what would be late is not begun at all."""
        others_wait = self.queued_pairs > len(ask.pairs) - 1
        return self._pace.seconds(ask.tokens) if others_wait and not ask.begun else 0.0

    def _forget(self, ask: Ask) -> None:
        """Drop the waiting pairs of a request that nobody waits for any more; the caller holds the lock."""
        self._turns.remove(ask)
        self._staged = [item for item in self._staged if item[0] is not ask]

    def _fail(self, ask: Ask, error: RerankError) -> None:
        """End a request with an error; the caller holds the lock."""
        ask.error = error
        self._forget(ask)
        _wake(ask)

    def _deliver(
        self, batch: list[Item], outcomes: Sequence[float | None], start: float, end: float, *, alone: bool
    ) -> None:
        done: list[Ask] = []
        with self._changed:
            tokens = sum(map(_length, batch))
            self._running_tokens -= tokens
            self._running -= 1
            if None not in outcomes:  # what fails is over at once
                self._pace.measure(tokens, (end - start) * (len(self._lanes) if alone else 1))
            for (ask, place), outcome in zip(batch, outcomes, strict=True):
                if outcome is None and ask.error is None:
                    self._fail(ask, ModelFailed(f"the model failed on pair {place}", pair=place))
                elif outcome is not None and ask.deliver(place, outcome, start, end):
                    done.append(ask)
        for ask in done:
            _wake(ask)


def _length(item: Item) -> int:
    ask, place = item
    return len(ask.pairs[place])


def _wake(ask: Ask) -> None:
    try:
        ask.wake()
    except RuntimeError:
        log.warning("a request's event loop was closed before its answer")
