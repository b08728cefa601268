"""Runs of the model: what fails in a batch is found by halves, what is too large for the device halves the budget."""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from models.batching import NO_BATCHING, DeviceOutOfMemory
from models.pair import Logits, Pair

log = logging.getLogger(__name__)

Run = Callable[[Sequence[Pair]], Logits]
"""The model: pairs to logits of shape [pairs]; called from every lane's thread."""


class BatchExecutor:
    """The model as the lanes call it, with the budget of a batch in padded tokens; `NO_BATCHING` for none."""

    def __init__(self, run: Run, run_single: Run, budget: int, length_multiple: int) -> None:
        self._run = run
        self._run_alone = run_single
        self.budget = budget
        self._length_multiple = length_multiple
        self._lock = threading.Lock()
        self._tokens = 0
        self._padding = 0

    @property
    def padding_ratio(self) -> float:
        """Padding among the tokens that were run."""
        return self._padding / max(1, self._tokens)

    def outcomes(self, pairs: list[Pair], *, alone: bool = False) -> list[float | None]:
        """Run pairs, halving what fails until what fails is one pair: a logit each, None for those that fail alone."""
        try:
            logits = self._run_alone(pairs) if alone else self._run(pairs)
        except DeviceOutOfMemory:
            self._shrink(pairs)
        except Exception:
            log.exception("the model failed on a batch of %d pairs", len(pairs))
        else:
            if np.isfinite(logits).all():
                self._count(pairs)
                return [float(logit) for logit in logits]
            log.error("the model gave a logit that is not finite in a batch of %d pairs", len(pairs))
        if len(pairs) == 1:
            return [None]
        middle = len(pairs) // 2
        return [*self.outcomes(pairs[:middle]), *self.outcomes(pairs[middle:])]

    def _shrink(self, pairs: list[Pair]) -> None:
        """Halve the budget after a batch that did not fit the device's memory."""
        with self._lock:
            padded = len(pairs) * max(map(len, pairs))
            if len(pairs) > 1 and self.budget != NO_BATCHING:
                self.budget = max(1, min(self.budget, padded // 2))
            log.warning(
                "%d padded tokens do not fit the device's memory: batches of %d from now on", padded, self.budget
            )

    def _count(self, pairs: list[Pair]) -> None:
        longest = max(map(len, pairs))
        padded = len(pairs) * (longest + -longest % self._length_multiple)
        with self._lock:
            self._tokens += padded
            self._padding += padded - sum(map(len, pairs))
