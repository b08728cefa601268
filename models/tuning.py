"""The best batch budget on this device, measured once and stored beside the artefact.

The time of a run is a fixed cost (launches, copies) plus a cost per token; timing batches of increasing size gives
both. The budget is the smallest size that is nearly as fast as the best, since larger batches only make other requests
wait. Padding pays off up to the fixed cost of a separate run. The measurement is repeated when the device, the runtime
or the graph changes.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from models.batching import DeviceOutOfMemory
from models.pair import Logits, Pair

log = logging.getLogger(__name__)

FILE = ".tuning.json"
"""A hidden file that is not part of the manifest, since it belongs to the machine and not to the model."""
LENGTH = 128
"""Tokens per measured pair: a typical passage."""
SIZES = (1024, 2048, 4096, 8192, 16_384, 32_768)
"""Tokens per measured batch."""
ROUNDS = 5
NEARLY = 0.97
"""The share of the best rate that is enough; the rest is not worth a longer batch."""


class Tuning(msgspec.Struct, frozen=True):
    """A measurement, and the hardware, runtime and graph for which it is valid."""

    device: str
    runtime: str
    graph_sha256: str
    seconds: dict[int, float]
    """The median time of a run, by number of tokens."""
    max_batch_tokens: Annotated[int, msgspec.Meta(ge=1)]
    run_cost_tokens: Annotated[int, msgspec.Meta(ge=0)]

    def is_of(self, device: str, runtime: str, graph_sha256: str) -> bool:
        """Return whether it was measured on this hardware, with this runtime and this graph."""
        return (self.device, self.runtime, self.graph_sha256) == (device, runtime, graph_sha256)


def read(folder: Path) -> Tuning | None:
    """Read the tuning from an artefact's folder; return None if there is none or it cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Tuning)
    except (OSError, msgspec.MsgspecError):
        return None


def write(tuning: Tuning, folder: Path) -> None:
    """Write a tuning atomically into an artefact's folder; log it if the folder is not writable."""
    beside = folder / f"{FILE}.{os.getpid()}.partial"  # two servers may start at the same time
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(tuning), indent=1))
        beside.replace(folder / FILE)
    except OSError as error:
        log.info("%s is not writable (%s): the batch size is measured again at every start", folder, error.strerror)
        with contextlib.suppress(OSError):
            beside.unlink()


def measure(
    run: Callable[[Sequence[Pair]], Logits],
    sizes: Sequence[int] = SIZES,
    clock: Callable[[], float] = time.perf_counter,
    length: int = LENGTH,
) -> dict[int, float]:
    """Time batches of the given sizes; return the median seconds of a run by size, for all sizes that fit in memory."""
    pair = Pair(np.full(length, 5, np.int64), np.zeros(length, np.int64))
    seconds: dict[int, float] = {}
    for size in sizes:
        batch = [pair] * (size // length)
        try:
            run(batch)  # the first run of a shape allocates
            times = []
            for _ in range(ROUNDS):
                start = clock()
                run(batch)
                times.append(clock() - start)
        except DeviceOutOfMemory:
            break
        seconds[size] = float(np.median(times))
    return seconds


def choose(seconds: dict[int, float]) -> tuple[int, int]:
    """Choose the batch budget and the fixed cost of a run, both in tokens.

    The fixed cost is the intercept of a line fitted to the measured times, with weights of one over the time.
    """
    sizes = np.array(sorted(seconds), dtype=np.float64)
    times = np.array([seconds[int(size)] for size in sizes])
    rates = sizes / times
    budget = int(sizes[rates >= NEARLY * rates.max()][0])
    if len(sizes) == 1:
        return budget, 0
    s_per_token, s_per_run = np.polyfit(sizes, times, 1, w=1 / times)
    return budget, max(0, round(s_per_run / s_per_token)) if s_per_token > 0 else 0
