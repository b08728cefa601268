"""The batch plan: lengths and a token budget in, batches out.

A pure function, used by the in-process scorer and by the service alike. Pairs of like length share a batch, because a
batch costs its longest pair times its size; a budget of no tokens means one pair per batch, which on a CPU is the
fastest and the only way whose scores do not depend on company (docs/decisions/0002).
"""

from collections.abc import Sequence

ONE_PAIR = 0
"""The token budget that stands for "one pair per batch"."""


class DeviceFull(Exception):
    """A batch does not fit the device's memory; a smaller one may."""


def plan(lengths: Sequence[int], max_batch_tokens: int) -> list[list[int]]:
    """Group pairs into batches, longest first.

    Args:
        lengths: length of each pair in tokens.
        max_batch_tokens: budget of a batch in padded tokens (longest pair times pairs); `ONE_PAIR` for no batching.
            A pair longer than the budget gets a batch of its own.

    Returns:
        Batches of indexes into `lengths`; every index occurs once, equal lengths keep their order.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batches: list[list[int]] = []
    for index in order:
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and longest * (len(batches[-1]) + 1) <= max_batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
