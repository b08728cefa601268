"""Computes the figures of a point from its samples alone, so that they can be computed again from the file.

Latencies have a 95 % interval from block resampling. The load generator is checked first: a percentile describes the
reranker only if the generator sent its requests on time.

**The rule.** Percentiles are refused if the generator's own delay makes up more than a tenth of one and more than 2 ms,
that is, if P50, P90 or P99 would be that much smaller when measured from the actual sending time. They are also refused
if the generator used more than 90 % of a CPU core in a round: it sends and reads on one thread, and a busy generator
measures itself.
"""

import numpy as np

from bench.latency import figures
from bench.latency.blocks import blocks, draws
from bench.latency.figures import RANKS
from bench.latency.observations import Floats, Observations
from bench.latency.records import LatencySummary, Lateness
from bench.reasons import reasons
from bench.records import Estimate

LATE_MS = 2.0
LATE_SHARE = 0.1
MOST_BUSY = 0.9


def summarise(of: Observations, seed: int = 0) -> LatencySummary:
    """Compute the figures of a point's measured requests."""
    late = _lateness(of)
    refused = refusal(of)
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


def _measured(counted: LatencySummary, of: Observations, seed: int) -> LatencySummary:
    block = blocks(of.round)
    whole = np.ones((1, len(block)), dtype=np.int64)
    taken = draws(int(block.max()) + 1, seed)[:, block]
    values, resampled = figures.headline(of, whole), figures.headline(of, taken)
    headline = {name: _estimate(values[name], resampled[name]) for name in values}
    first_values, first = figures.first_byte(of, whole), figures.first_byte(of, taken)
    stage_values, stage_resampled = figures.stages(of, whole), figures.stages(of, taken)
    return LatencySummary(
        requests=counted.requests,
        errors=counted.errors,
        error_rate=counted.error_rate,
        reasons=counted.reasons,
        lateness=counted.lateness,
        refused=None,
        p50_ms=headline["P50"],
        p90_ms=headline["P90"],
        p99_ms=headline["P99"],
        mean_ms=headline["mean"],
        first_byte_p50_ms=_estimate(first_values.p50, first.p50),
        first_byte_p90_ms=_estimate(first_values.p90, first.p90),
        documents_per_s=headline["documents/s"],
        tokens_per_s=headline.get("tokens/s"),
        stages_p50_ms={name: _estimate(stage_values[name].p50, at.p50) for name, at in stage_resampled.items()},
        stages_p90_ms={name: _estimate(stage_values[name].p90, at.p90) for name, at in stage_resampled.items()},
    )


def _estimate(value: Floats, resampled: Floats) -> Estimate:
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Estimate(value=float(value[0]), low=float(low), high=float(high))


def _lateness(of: Observations) -> Lateness:
    p50, p99, worst = np.percentile(of.lateness_ms, [50, 99, 100])
    return Lateness(float(p50), float(p99), float(worst), float(of.busy.max()))


def refusal(of: Observations) -> str | None:
    """Return why these samples describe the generator rather than the reranker; None if they are valid."""
    busy = float(of.busy.max())
    if busy > MOST_BUSY:
        return (
            f"the load generator used {busy:.0%} of a CPU core (limit {MOST_BUSY:.0%}), so it measured itself; "
            f"use a lower --rate or --concurrency"
        )
    good = of.succeeded
    if not good.any():
        return None
    planned, sent = (np.percentile(ms, RANKS) for ms in (of.latency_ms[good], (of.latency_ms - of.lateness_ms)[good]))
    for rank, whole, own in zip(RANKS, planned, planned - sent, strict=True):
        if own > max(LATE_MS, LATE_SHARE * whole):
            return (
                f"the load generator sent too late: its delay is {own:.1f} of the {whole:.1f} ms of P{rank:g}; "
                f"use a lower --rate, or a client machine with a free CPU"
            )
    return None
