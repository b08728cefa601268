"""The figures of a point, from its samples alone, so that they can be made again from the file.

Latencies carry a 95 % interval from resampling by blocks. Before anything is summed up the generator is judged: a
percentile is of the reranker only if the generator sent when it said it would.

**The rule.** Percentiles are refused where the 99th percentile of the lateness (sent minus planned) is above 10 ms and
above a tenth of the P50 latency: the latency counts from the plan, so the generator would be a tenth of the figure or
more. They are refused too where the generator used more than 90 % of a CPU core in a round: it sends and reads on one
thread, and what a busy one measures is itself.
"""

import re
from collections.abc import Sequence

import numpy as np

from bench.latency import figures
from bench.latency.blocks import blocks, draws
from bench.latency.observations import Floats, Observations
from bench.latency.records import Lateness, LatencySummary
from bench.records import Estimate

LATE_MS = 10.0
LATE_SHARE = 0.1
MOST_BUSY = 0.9
REASONS = 3
NUMBER = re.compile(r"\d+")


def summarise(of: Observations, seed: int = 0) -> LatencySummary:
    """The figures of a point's measured requests."""
    late = _lateness(of)
    refused = _refusal(of, late)
    errors = int((~of.succeeded).sum())
    counted = LatencySummary(
        requests=len(of.errors),
        errors=errors,
        error_rate=errors / len(of.errors),
        reasons=reasons([error for error in of.errors if error is not None]),
        lateness=late,
        refused=refused,
    )
    return counted if refused or not of.succeeded.any() else _measured(counted, of, seed)


def reasons(errors: Sequence[str]) -> list[str]:
    """The most frequent kinds of failure with their number; texts that differ in their numbers only are of one kind."""
    kinds: dict[str, list[str]] = {}
    for error in sorted(errors):
        status, _, text = error.partition(": ")
        kinds.setdefault(f"{status}: {NUMBER.sub('#', text)}", []).append(error)
    worst = sorted(kinds.values(), key=len, reverse=True)
    return [f"{len(same)} times: {same[0]}" for same in worst[:REASONS]]


def _measured(counted: LatencySummary, of: Observations, seed: int) -> LatencySummary:
    block = blocks(of.round)
    whole = np.ones((1, len(block)), dtype=np.int64)
    taken = draws(int(block.max()) + 1, seed)[:, block]
    values, resampled = figures.headline(of, whole), figures.headline(of, taken)
    made = {name: _estimate(values[name], resampled[name]) for name in values}
    stage_values, stage_resampled = figures.stages(of, whole), figures.stages(of, taken)
    return LatencySummary(
        requests=counted.requests,
        errors=counted.errors,
        error_rate=counted.error_rate,
        reasons=counted.reasons,
        lateness=counted.lateness,
        refused=None,
        p50_ms=made["P50"],
        p90_ms=made["P90"],
        p99_ms=made["P99"],
        mean_ms=made["mean"],
        first_byte_p50_ms=made["first byte P50"],
        first_byte_p90_ms=made["first byte P90"],
        documents_per_s=made["documents/s"],
        tokens_per_s=made.get("tokens/s"),
        stages_p50_ms={name: _estimate(stage_values[name].p50, at.p50) for name, at in stage_resampled.items()},
        stages_p90_ms={name: _estimate(stage_values[name].p90, at.p90) for name, at in stage_resampled.items()},
    )


def _estimate(value: Floats, resampled: Floats) -> Estimate:
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Estimate(value=float(value[0]), low=float(low), high=float(high))


def _lateness(of: Observations) -> Lateness:
    p50, p99, worst = np.percentile(of.lateness_ms, [50, 99, 100])
    return Lateness(float(p50), float(p99), float(worst), float(of.busy.max()))


def _refusal(of: Observations, late: Lateness) -> str | None:
    """Why these samples are of the generator rather than of the reranker; None where they are not."""
    if late.busy > MOST_BUSY:
        return (
            f"the generator used {late.busy:.0%} of a CPU core (at most {MOST_BUSY:.0%} may be): it measured itself; "
            f"send fewer requests a second or fewer at a time"
        )
    p50_ms = float(np.median(of.latency_ms[of.succeeded])) if of.succeeded.any() else 0.0
    allowed_ms = max(LATE_MS, LATE_SHARE * p50_ms)
    if late.p99_ms > allowed_ms:
        return (
            f"the generator could not keep its plan: 1 in 100 requests was sent {late.p99_ms:.0f} ms late or more, "
            f"where {allowed_ms:.0f} ms are allowed; send fewer requests a second, or from a machine with a free CPU"
        )
    return None
