"""Runs of the model: padding is counted, and what does not fit the device makes the batches smaller."""

import logging

import pytest

from models.batching import DeviceOutOfMemory
from service.engine.executor import BatchExecutor, PairFailure
from tests.support.engine import marks, pair


def test_padding_to_a_multiple_is_counted() -> None:
    """10 and 4 tokens in two rows of 16."""
    executor = BatchExecutor(marks, marks, 100, 8)
    executor.run([pair(1, 10), pair(2, 4)])
    assert (executor.padding_tokens, executor.tokens) == (18, 32)


def test_a_pair_that_alone_does_not_fit_leaves_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    """A smaller batch would not help it; it fails, and the model is not run one pair at a time from now on."""

    def full(_: object) -> None:
        raise DeviceOutOfMemory

    executor = BatchExecutor(full, full, 100, 8)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        assert executor.run([pair(1, 30)]) == [PairFailure("the pair does not fit into the device's memory")]
    assert executor.budget == 100
