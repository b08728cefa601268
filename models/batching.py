"""The batch plan: lengths and a token budget in, batches out.

A pure function, used by the in-process scorer and by the service alike. Pairs of like length share a batch, because a
batch costs its longest pair times its size; a budget of no tokens means one pair per batch, which on a CPU is the
fastest and the only batch-invariant way: no score depends on what shares its batch (docs/decisions/0002).
"""

from collections.abc import Sequence

NO_BATCHING = 0
"""The token budget that stands for "one pair per batch"."""


RUN_COST_TOKENS = 512
"""What a run costs a GPU beside its tokens, in tokens, until it is measured (`tuning.py`): 2 ms for the launches of 24
layers, at 250,000 tokens a second. A batch with more padding than this is better split in two."""


class DeviceOutOfMemory(Exception):
    """A batch does not fit the device's memory; a smaller one may."""


def plan_batches(lengths: Sequence[int], max_batch_tokens: int, max_padding: int | None = None) -> list[list[int]]:
    """Group pairs into batches, longest first.

    Args:
        lengths: length of each pair in tokens.
        max_batch_tokens: budget of a batch in padded tokens (longest pair times pairs); `NO_BATCHING` for no batching.
            A pair longer than the budget gets a batch of its own.
        max_padding: padding of a batch in tokens, at most; None for as much as the budget lets in.

    Returns:
        Batches of indexes into `lengths`; every index occurs once, equal lengths keep their order.
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
