"""Samples as observations without a file between: the figures' tests begin with it."""

from collections.abc import Sequence

import numpy as np

from bench.latency.observations import Floats, Observations
from bench.records import Sample


def observe(rounds: Sequence[Sequence[Sample]], busy: Sequence[float] | None = None) -> Observations:
    """The samples of a point, given by round."""
    samples = [sample for of_round in rounds for sample in of_round]
    numbers = [number for number, of_round in enumerate(rounds) for _ in of_round]
    shares = busy or [0.0] * len(rounds)
    stages = dict.fromkeys(stage for sample in samples for stage in sample.server_timing_ms)
    return Observations(
        round=np.array(numbers, dtype=np.int64),
        planned_s=_column([sample.planned_s for sample in samples]),
        sent_s=_column([sample.sent_s for sample in samples]),
        first_byte_s=_column([sample.first_byte_s for sample in samples]),
        done_s=_column([sample.done_s for sample in samples]),
        documents=_column([sample.documents for sample in samples]),
        tokens=_column([sample.tokens for sample in samples]),
        errors=[sample.error for sample in samples],
        busy=_column([shares[number] for number in numbers]),
        stages_ms={stage: _column([sample.server_timing_ms.get(stage) for sample in samples]) for stage in stages},
    )


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
