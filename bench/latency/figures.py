"""Figures of a point in every resample, from which the summary's intervals and a comparison's ratios are computed.

A figure's name is used in tables and records. Latencies are those of successful requests, from the planned sending
time; rates count successes over the wall time of all requests, failures and waiting included.
"""

from dataclasses import dataclass

import numpy as np

from bench.latency.blocks import percentiles
from bench.latency.observations import Booleans, Floats, Integers, Observations

Resampled = dict[str, Floats]
"""Figure to its value in each resample, [resamples]; NaN if the resample has no success."""

LATENCIES = ("P50", "P90", "P99", "mean")
RATES = ("documents/s", "tokens/s")
RANKS = (50.0, 90.0, 99.0)


@dataclass(frozen=True)
class Stage:
    """A part of the latency in every resample."""

    p50: Floats
    p90: Floats


def headline(of: Observations, weights: Integers) -> Resampled:
    """Return latencies in milliseconds and rates per second.

    Args:
        of: the n requests of a point.
        weights: how often each request is taken, [resamples, n].
    """
    good = of.succeeded
    if not good.any():
        return {}
    latency_ms, taken = of.latency_ms[good], weights[:, good]
    latencies = dict(zip(LATENCIES, percentiles(latency_ms, taken, RANKS).T, strict=False))
    latencies["mean"] = _quotient(taken @ latency_ms, taken.sum(axis=1))
    return latencies | _rates(of, good, weights)


def first_byte(of: Observations, weights: Integers) -> Stage:
    """Return P50 and P90 of successes' time from the planned sending time to the first byte, in milliseconds."""
    good = of.succeeded
    return Stage(*percentiles(of.first_byte_ms[good], weights[:, good], (50.0, 90.0)).T)


def stages(of: Observations, weights: Integers) -> dict[str, Stage]:
    """Return every stage reported for successful requests, in milliseconds."""
    by_stage = {}
    for name, values in of.stages_ms.items():
        is_known = of.succeeded & ~np.isnan(values)
        if is_known.any():
            p50, p90 = percentiles(values[is_known], weights[:, is_known], (50.0, 90.0)).T
            by_stage[name] = Stage(p50, p90)
    return by_stage


def _rates(of: Observations, good: Booleans, weights: Integers) -> Resampled:
    wall_s = weights @ of.wall_s
    rates = {"documents/s": _quotient(weights[:, good] @ of.documents[good], wall_s)}
    if not np.isnan(of.tokens[good]).any():
        rates["tokens/s"] = _quotient(weights[:, good] @ of.tokens[good], wall_s)
    return rates


def _quotient(above: Floats, below: Floats | Integers) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
