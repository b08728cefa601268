"""Runs of the model: a batch that fails, or does not fit the device, is halved until the guilty pair is found."""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from models.batching import NO_BATCHING, DeviceOutOfMemory
from models.pair import Logits, Pair

log = logging.getLogger(__name__)

Run = Callable[[Sequence[Pair]], Logits]
"""The model: pairs to logits of shape [pairs]; called from every inference thread."""


class BatchExecutor:
    """The model as the inference threads call it, with the budget of a batch and counts of what was run."""

    def __init__(self, run: Run, run_single: Run, budget: int, length_multiple: int) -> None:
        """Wrap a model.

        Args:
            run: the model.
            run_single: the model with all CPUs on one batch.
            budget: padded tokens of a batch, or `NO_BATCHING`.
            length_multiple: a batch's length is padded to a multiple of this.
        """
        self._run = run
        self._run_single = run_single
        self.budget = budget
        self._length_multiple = length_multiple
        self._lock = threading.Lock()
        self.tokens = 0
        """Tokens that were run, padding included."""
        self.padding_tokens = 0
        """The padding among them."""

    def run(self, pairs: list[Pair], *, single: bool = False) -> list[float | None]:
        """Run a batch, halving what fails until the failure is one pair.

        Args:
            pairs: the batch.
            single: use all CPUs on it, since it is the only work.

        Returns:
            A logit for each pair, or None for a pair that fails by itself.
        """
        try:
            logits = self._run_single(pairs) if single else self._run(pairs)
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
        return [*self.run(pairs[:middle]), *self.run(pairs[middle:])]

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
            self.tokens += padded
            self.padding_tokens += padded - sum(map(len, pairs))
