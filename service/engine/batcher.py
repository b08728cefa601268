"""The queue in front of the model: admits requests, batches their pairs, and delivers the results.

The inference threads pull from one queue, each with one run of the model at a time, so the device is never idle while a
pair waits, and a pair waits only while every thread is busy: there is no batching timer. `admission.py` decides which
requests may enter, `scheduler.py` which pair is next. A request leaves the queue between runs if its deadline passes or
its client disconnects. A batch that fails is halved until the failing pair is found, so only its request fails; if a
batch does not fit the device's memory, the batch and the budget are halved (`executor.py`). Inference threads survive
any exception of the model.

One lock guards the queue; results reach the event loop once per request, by `call_soon_threadsafe`.

`Batcher.score(pairs, options)` is the interface of the engine: the HTTP service, a gateway, a notebook or a test can
call it from any event loop.
"""

import itertools
import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from models.batching import NO_BATCHING, RUN_COST_TOKENS, plan_batches
from models.pair import Pair
from models.wording import counted
from service.engine.admission import Admission, TakenTokens
from service.engine.entry import CallOptions, QueueEntry, Scored
from service.engine.executor import BatchExecutor, PairFailure, Run
from service.engine.scheduler import EntryPair, FairScheduler
from service.engine.throughput import ThroughputEstimator
from service.errors import DeadlineExceeded, ModelFailed, RerankError, ShuttingDown

log = logging.getLogger(__name__)

STAGED_BATCHES = 4
"""Number of batch budgets of pairs from which a batch is chosen: more means less padding but longer waits."""

QueuedPair = EntryPair[QueueEntry]


class Batcher:
    """The bounded queue and its inference threads; call `start` before the first `score`, `close` once at the end."""

    def __init__(
        self,
        run: Run,
        *,
        inference_threads: int,
        max_batch_tokens: int,
        max_queue_tokens: int,
        run_single: Run | None = None,
        length_multiple: int = 1,
        throughput: ThroughputEstimator | None = None,
    ) -> None:
        """Make the queue.

        Args:
            run: the model.
            inference_threads: the number of threads that run the model.
            max_batch_tokens: the maximum number of tokens per batch, padding included, or `NO_BATCHING`.
            max_queue_tokens: the maximum number of waiting tokens; 0 for what is processed in two minutes.
            run_single: the model using all CPUs for one batch, for a batch that is the only work.
            length_multiple: batches are padded to a multiple of this length; used to count the padding.
            throughput: the initial throughput estimate; None to start without one.
        """
        self._executor = BatchExecutor(run, run_single or run, max_batch_tokens, length_multiple)
        self._run_cost_tokens = RUN_COST_TOKENS
        self._scheduler: FairScheduler[QueueEntry] = FairScheduler()
        self._throughput = throughput or ThroughputEstimator(inference_threads)
        self._admission = Admission(self._scheduler, self._throughput, max_queue_tokens)
        self._staged: list[QueuedPair] = []
        self._running_tokens = 0
        self._open = True
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._infer, name=f"inference-{number}", daemon=True)
            for number in range(inference_threads)
        ]

    def start(self) -> None:
        """Start the inference threads."""
        for thread in self._threads:
            thread.start()

    def retune(self, max_batch_tokens: int, run_cost_tokens: int) -> None:
        """Set the batch budget and the cost of a run, as measured by the warm-up."""
        with self._changed:
            self._executor.budget, self._run_cost_tokens = max_batch_tokens, run_cost_tokens

    def close(self) -> None:
        """Admit no more requests, finish those that are queued, and end the inference threads."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    @property
    def queued_tokens(self) -> int:
        """Number of tokens waiting for the model."""
        return self._scheduler.tokens + sum(pair.length for pair in tuple(self._staged))

    @property
    def queued_pairs(self) -> int:
        """Number of pairs waiting for the model."""
        return self._scheduler.pairs + len(self._staged)

    @property
    def tokens_per_s(self) -> float:
        """Measured throughput of all inference threads together; 0 before the first run."""
        return self._throughput.tokens_per_s

    @property
    def run_tokens(self) -> int:
        """Number of tokens that the model has processed, padding included."""
        return self._executor.tokens

    @property
    def padding_tokens(self) -> int:
        """Number of padding tokens that the model has processed."""
        return self._executor.padding_tokens

    async def score(self, pairs: Sequence[Pair], options: CallOptions | None = None) -> Scored:
        """Queue all pairs of a request and wait for their logits.

        Raises:
            Overloaded: the queue has no room for all of them, or they would miss the deadline; none was queued. An
                empty queue admits any request.
            DeadlineExceeded: the deadline passed in the queue.
            ModelFailed: the model failed on one of these pairs.
            ShuttingDown: the batcher is closed.
        """
        if not pairs:
            return Scored(np.empty(0, np.float32), 0.0, 0.0)
        options = options or CallOptions()
        entry = QueueEntry(pairs, options)
        self._admit(entry, options)
        try:
            return await entry.answered()
        finally:
            if entry.missing:
                with self._changed:
                    self._forget(entry)

    def check_admission(self, tokens: int, options: CallOptions) -> None:
        """Raise what `score` would raise now for a request of about `tokens` tokens, before work is spent on it.

        Raises:
            Overloaded: the queue has no room for it, or it would miss its deadline.
            ShuttingDown: the batcher is closed.
        """
        with self._changed:
            self._check(tokens, options)

    def _admit(self, entry: QueueEntry, options: CallOptions) -> None:
        """Queue a request and fail those of lower priority that it displaces; raise like `check_admission`."""
        lengths = [len(pair) for pair in entry.pairs]
        longest_first = itertools.chain.from_iterable(plan_batches(lengths, NO_BATCHING))
        with self._changed:
            for displaced in self._check(entry.tokens, options):
                self._fail(displaced, self._admission.displacement(entry.tokens))
            self._scheduler.add(entry, [(index, lengths[index]) for index in longest_first])
            self._changed.notify(len(lengths))

    def _check(self, tokens: int, options: CallOptions) -> list[QueueEntry]:
        """Check a request with `Admission`; the caller holds the lock."""
        if not self._open:
            raise ShuttingDown
        staged = [pair.length for pair in self._staged]
        staged_of_key = [pair.length for pair in self._staged if pair.entry.key == options.key]
        taken = TakenTokens(sum(staged), sum(staged_of_key), self._running_tokens)
        return self._admission.check(tokens, options, time.perf_counter(), taken)

    def _infer(self) -> None:
        """Run batches until the batcher is closed and nothing is left; the body of an inference thread."""
        while work := self._take_batch():
            batch, is_only_work = work
            start = time.perf_counter()
            logits = self._executor.run([pair.entry.pairs[pair.index] for pair in batch], single=is_only_work)
            self._deliver(batch, logits, start, time.perf_counter(), single=is_only_work)

    def _take_batch(self) -> tuple[list[QueuedPair], bool] | None:
        """Wait for a batch; return it and whether it is the only work, or None if closed and nothing is left."""
        with self._changed:
            while True:
                batch = self._next_batch()
                if batch:
                    others_run = self._running_tokens > 0
                    self._running_tokens += sum(pair.length for pair in batch)
                    for pair in batch:
                        pair.entry.begun = True
                    return batch, not (others_run or self._scheduler or self._staged)
                if not self._open:
                    return None
                self._changed.wait()

    def _next_batch(self) -> list[QueuedPair]:
        """Take the first staged pair of the highest priority, with as many of similar length as the budget allows.

        The batch is empty if nothing waits.
        """
        if self._executor.budget == NO_BATCHING:
            pair = self._next_pair()
            return [] if pair is None else [pair]
        self._stage()
        if not self._staged:
            return []
        lengths = [pair.length for pair in self._staged]
        batches = plan_batches(lengths, self._executor.budget, self._run_cost_tokens)
        first = min(range(len(self._staged)), key=lambda index: self._staged[index].entry.priority)
        chosen = next(set(batch) for batch in batches if first in batch)
        batch = [pair for index, pair in enumerate(self._staged) if index in chosen]
        self._staged = [pair for index, pair in enumerate(self._staged) if index not in chosen]
        return batch

    def _stage(self) -> None:
        """Drop staged pairs whose deadline has passed, and refill from the scheduler."""
        now = time.perf_counter()
        for late in {pair.entry for pair in self._staged if pair.entry.deadline <= now}:
            self._fail(late, DeadlineExceeded())
        tokens = sum(pair.length for pair in self._staged)
        while tokens < STAGED_BATCHES * self._executor.budget and (pair := self._next_pair()) is not None:
            self._staged.append(pair)
            tokens += pair.length

    def _next_pair(self) -> QueuedPair | None:
        """Take the next pair whose request can still be answered in time."""
        while self._scheduler:
            pair = self._scheduler.take()
            if time.perf_counter() + self._needed_s(pair.entry) < pair.entry.deadline:
                return pair
            self._fail(pair.entry, DeadlineExceeded())
        return None

    def _needed_s(self, entry: QueueEntry) -> float:
        """Return the seconds that a request needs before its deadline to be worth starting while others wait."""
        others_wait = self.queued_pairs > len(entry.pairs) - 1
        return self._throughput.seconds(entry.tokens) if others_wait and not entry.begun else 0.0

    def _forget(self, entry: QueueEntry) -> None:
        """Drop the waiting pairs of a finished or abandoned request; the caller holds the lock."""
        self._scheduler.remove(entry)
        self._staged = [pair for pair in self._staged if pair.entry is not entry]

    def _fail(self, entry: QueueEntry, error: RerankError) -> None:
        """End a request with an error; the caller holds the lock."""
        entry.error = error
        self._forget(entry)
        entry.wake()

    def _deliver(
        self, batch: list[QueuedPair], logits: Sequence[float | PairFailure], start: float, end: float, *, single: bool
    ) -> None:
        """Deliver a batch's logits to their requests and wake the finished ones; a failed pair fails its request."""
        done: list[QueueEntry] = []
        failed: list[tuple[QueuedPair, str]] = []
        with self._changed:
            tokens = sum(pair.length for pair in batch)
            self._running_tokens -= tokens
            if not any(isinstance(logit, PairFailure) for logit in logits):  # a failed run ends early: no rate
                self._throughput.measure(tokens, (end - start) * (len(self._threads) if single else 1))
            for pair, logit in zip(batch, logits, strict=True):
                entry = pair.entry
                if isinstance(logit, PairFailure):
                    failed.append((pair, logit.reason))
                    if entry.error is None:
                        self._fail(entry, ModelFailed(f"the model failed on pair {pair.index}", pair=pair.index))
                elif entry.deliver(pair.index, logit, start, end):
                    done.append(entry)
        for pair, reason in failed:
            log.error("the model failed on a pair of %s: %s", counted(pair.length, "token"), reason)
        for entry in done:
            entry.wake()
