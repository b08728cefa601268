"""The measured rate and what follows from it."""

import math

import pytest

from service.engine.throughput import ThroughputEstimator


def test_the_rate_is_a_running_mean_of_all_inference_threads() -> None:
    """Two threads that do 100 tokens a second each; Retry-After is what is left at that rate, as clients honour it."""
    throughput = ThroughputEstimator(inference_threads=2)
    assert (throughput.seconds(1000), throughput.retry_after_s(1000)) == (0, 1)
    throughput.measure(50, 0.5)
    assert throughput.tokens_per_s == 200
    throughput.measure(100, 0.5)
    assert throughput.tokens_per_s == pytest.approx(0.95 * 200 + 0.05 * 400)
    assert throughput.retry_after_s(1000) == math.ceil(1000 / 210)
    assert throughput.retry_after_s(10**9) == 60
