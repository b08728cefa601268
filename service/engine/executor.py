"""Runs batches on the model; a batch that fails or exceeds the device's memory is split to find the failing pair."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.artefact import ArtefactError
from models.batching import NO_BATCHING, DeviceOutOfMemory, RunFailed
from models.pair import Logits, Pair
from models.wording import counted

log = logging.getLogger(__name__)

Run = Callable[[Sequence[Pair]], Logits]
"""The model: maps pairs to logits of shape [pairs]; called from all inference threads."""


class PairFailure(NamedTuple):
    """Stands for the logit of a pair on which the model fails even alone."""

    reason: str


class BatchExecutor:
    """Runs batches for the inference threads; holds the batch budget and counts tokens."""

    def __init__(self, run: Run, run_single: Run, budget: int, length_multiple: int) -> None:
        """Wrap a model.

        Args:
            run: the model.
            run_single: the model using all CPUs for one batch.
            budget: the maximum number of tokens per batch, padding included, or `NO_BATCHING`.
            length_multiple: batches are padded to a multiple of this length.
        """
        self._run = run
        self._run_single = run_single
        self.budget = budget
        self._length_multiple = length_multiple
        self._lock = threading.Lock()
        self.tokens = 0
        """Number of processed tokens, padding included."""
        self.padding_tokens = 0
        """Number of padding tokens among them."""

    def run(self, pairs: list[Pair], *, single: bool = False) -> list[float | PairFailure]:
        """Run a batch; halve it on failure until the failing pairs are isolated.

        Args:
            pairs: the batch.
            single: whether to use all CPUs, since the batch is the only work.

        Returns:
            A logit for each pair, or why there is none.
        """
        try:
            logits = self._run_single(pairs) if single else self._run(pairs)
        except (DeviceOutOfMemory, MemoryError):
            self._shrink(pairs)
            reason = "the pair does not fit into the device's memory"
        except (RunFailed, ArtefactError) as error:
            reason = str(error)
        except Exception as error:
            log.exception("the model failed on a batch of %s", counted(len(pairs), "pair"))
            reason = f"{type(error).__name__}: {error}"
        else:
            if np.isfinite(logits).all():
                self._count(pairs)
                return [float(logit) for logit in logits]
            reason = "the logit is not finite"
        if len(pairs) == 1:
            return [PairFailure(reason)]
        log.warning("the model failed on a batch of %d pairs, which is run again in halves: %s", len(pairs), reason)
        middle = len(pairs) // 2
        return [*self.run(pairs[:middle]), *self.run(pairs[middle:])]

    def _shrink(self, pairs: list[Pair]) -> None:
        """Halve the budget after a batch that exceeded the device's memory; a single pair leaves it."""
        if len(pairs) == 1:
            return
        with self._lock:
            padded = len(pairs) * max(map(len, pairs))
            if self.budget != NO_BATCHING:
                self.budget = max(1, min(self.budget, padded // 2))
            log.warning(
                "a batch of %s exceeded the device's memory; limiting batches to %s",
                counted(padded, "padded token"),
                counted(self.budget, "token"),
            )

    def _count(self, pairs: list[Pair]) -> None:
        longest = max(map(len, pairs))
        padded = len(pairs) * (longest + -longest % self._length_multiple)
        with self._lock:
            self.tokens += padded
            self.padding_tokens += padded - sum(map(len, pairs))
