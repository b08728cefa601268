"""Batch planning: group pairs into batches by their lengths and a token budget.

A pure function that both the in-process scorer and the service use. Pairs of similar length share a batch, because the
cost of a batch is its longest pair times its size. A budget of 0 tokens means one pair per batch. On a CPU this is the
fastest choice and the only batch-invariant one: no score depends on the rest of its batch (docs/decisions/0002).
"""

from collections.abc import Sequence

NO_BATCHING = 0
"""The token budget that stands for "one pair per batch"."""


RUN_COST_TOKENS = 512
"""The fixed cost of a run on a GPU, expressed in tokens, until it is measured (`tuning.py`): 2 ms to launch the kernels
of 24 layers, at 250,000 tokens per second. A batch with more padding than this is better split in two."""


class DeviceOutOfMemory(Exception):
    """A batch does not fit into the device's memory; a smaller one may."""


class RunFailed(Exception):
    """The graph failed on a batch; the message is the runtime's, in one line."""


def plan_batches(lengths: Sequence[int], max_batch_tokens: int, max_padding: int | None = None) -> list[list[int]]:
    """Group pairs into batches, longest first.

    Args:
        lengths: the length of each pair in tokens.
        max_batch_tokens: the budget of a batch in padded tokens (longest pair times number of pairs); `NO_BATCHING`
            for one pair per batch. A pair longer than the budget gets a batch of its own.
        max_padding: the maximum padding of a batch in tokens; None for no limit besides the budget.

    Returns:
        Batches of indexes into `lengths`; every index occurs once, and equal lengths keep their order.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batches: list[list[int]] = []
    longest = padding = 0
    for index in order:
        added = longest - lengths[index]
        fits = bool(batches) and longest * (len(batches[-1]) + 1) <= max_batch_tokens
        if fits and (max_padding is None or padding + added <= max_padding):
            batches[-1].append(index)
            padding += added
        else:
            batches.append([index])
            longest, padding = lengths[index], 0
    return batches
