"""Figures of known samples: percentiles against numpy, intervals against repeated runs, refusals."""

import numpy as np
import pytest

from bench.latency.blocks import blocks, draws, percentiles
from bench.latency.summary import summarise
from bench.records import Estimate, Sample
from tests.support.latency_profiles import closed_rounds, sample
from tests.support.observe import observe


def _of(*samples: Sample) -> Estimate | None:
    return summarise(observe([samples])).p50_ms


def test_weighted_percentiles_are_numpys_over_the_written_out_resample() -> None:
    """Ties, weights of 0 and one value alone included; a resample that takes nothing is NaN."""
    draw = np.random.default_rng(3)
    for size in (1, 2, 7, 40):
        values = draw.integers(0, 10, size).astype(np.float64)
        weights = draw.integers(0, 4, size=(50, size))
        weights[0] = 0
        found = percentiles(values, weights, (0.0, 50.0, 90.0, 99.0, 100.0))
        assert np.isnan(found[0]).all()
        for row, taken in zip(found[1:], weights[1:], strict=True):
            if taken.sum():
                assert row == pytest.approx(np.percentile(np.repeat(values, taken), [0, 50, 90, 99, 100]))


@pytest.mark.parametrize(("sizes", "count"), [([37], 10), ([20] * 5, 10), ([5] * 12, 12), ([3], 3), ([1, 1], 2)])
def test_blocks_are_consecutive_parts_of_rounds(sizes: list[int], count: int) -> None:
    """At least ten where there are that many requests, of equal size but for one; none goes over a round's border."""
    rounds = np.repeat(np.arange(len(sizes)), sizes)
    found = blocks(rounds)
    assert found.max() + 1 == count
    assert (np.diff(found) >= 0).all()
    assert all(len(set(rounds[found == block])) == 1 for block in range(count))
    members = np.bincount(found)
    assert members.max() - members.min() <= 1


def test_draws_take_as_many_blocks_as_there_are_and_are_seeded() -> None:
    """Every resample is of the size of the whole; a seed gives the same again."""
    assert (draws(10, 1).sum(axis=1) == 10).all()
    assert (draws(10, 1) == draws(10, 1)).all()
    assert (draws(10, 1) != draws(10, 2)).any()


def test_percentiles_of_known_numbers() -> None:
    """For latencies from 1 to 101 ms, P50 is 51, P90 91, P99 100 and the mean 51, each inside its interval."""
    summary = summarise(observe([[sample(0.2 * n, (37 * n) % 101 + 1) for n in range(101)]]))
    found = [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.mean_ms]
    for estimate, expected in zip(found, [51, 91, 100, 51], strict=True):
        assert estimate is not None
        assert estimate.value == pytest.approx(expected)
        assert estimate.low < estimate.value <= estimate.high
    assert summary.first_byte_p50_ms is not None
    assert summary.first_byte_p50_ms.value == pytest.approx(50)
    assert summary.stages_p90_ms["inference"].value == pytest.approx(81.9)


def test_latency_counts_from_the_planned_moment() -> None:
    """A request sent late is late: waiting before the send is part of its latency."""
    p50 = _of(sample(1.0, 2500, late_ms=200))
    assert p50 is not None
    assert p50.value == pytest.approx(2500)


@pytest.mark.parametrize(
    ("late_ms", "latency_ms", "refused"), [(9, 100, False), (12, 100, True), (1.9, 4, False), (2.1, 4, True)]
)
def test_percentiles_are_refused_where_a_tenth_is_the_generators(
    late_ms: float, latency_ms: float, refused: bool
) -> None:
    """More than a tenth of a percentile and more than 2 ms; the lateness is told either way."""
    summary = summarise(observe([[sample(n, latency_ms, late_ms=late_ms) for n in range(50)]]))
    assert (summary.refused is not None) == refused == (summary.p50_ms is None)
    assert summary.lateness.p50_ms == pytest.approx(late_ms)
    assert summary.lateness.max_ms == pytest.approx(late_ms)


def test_percentiles_are_refused_where_the_generator_had_no_cpu_left() -> None:
    """One round of ten in which it used 95 % of a core is enough."""
    rounds = closed_rounds([100.0] * 50, 10)
    assert summarise(observe(rounds, [0.5] * 10)).refused is None
    refused = summarise(observe(rounds, [0.5] * 9 + [0.95])).refused
    assert refused is not None
    assert "95% of a CPU core" in refused


def test_failures_stay_out_of_the_percentiles_and_count_beside() -> None:
    """Nine quick errors do not make a slow server fast: the percentiles are the one success's."""
    summary = summarise(observe([[sample(n, 1, "status 500: no") for n in range(9)] + [sample(9, 800)]]))
    assert (summary.requests, summary.errors, summary.error_rate) == (10, 9, 0.9)
    assert summary.p50_ms is not None
    assert summary.p50_ms.value == pytest.approx(800)
    assert summary.reasons == ["9 times: status 500: no"]


def test_without_success_there_are_no_figures() -> None:
    """All failed: None, not 0 and not NaN."""
    summary = summarise(observe([[sample(0, 1, "status 500: no")]]))
    assert summary.p50_ms is summary.p99_ms is summary.mean_ms is summary.documents_per_s is None


def test_rates_are_over_wall_time() -> None:
    """Two clients at a time, 4 requests of 50 documents and 350 tokens in 2 s: 100 and 700 a second; a failed request
    adds time only, and rounds add up.
    """
    samples = [sample(0, 1000), sample(0, 1000), sample(1, 1000), sample(1, 1000)]
    for rounds in ([samples], [samples, samples]):
        summary = summarise(observe(rounds))
        assert summary.documents_per_s is not None
        assert summary.tokens_per_s is not None
        assert summary.documents_per_s.value == pytest.approx(100)
        assert summary.tokens_per_s.value == pytest.approx(700)
    failed = summarise(observe([[*samples[:3], sample(1, 2000, "status 500: no")]])).documents_per_s
    assert failed is not None
    assert failed.value == pytest.approx(50)
    silent = summarise(observe([[sample(0, 1000, tokens=None)]]))
    assert silent.tokens_per_s is None


def test_intervals_are_those_of_repeated_runs() -> None:
    """About as wide as what 300 fresh closed loops of the same server scatter over, noise that lingers included."""
    draw = np.random.default_rng(5)

    def one_run() -> list[list[Sample]]:
        noise = np.zeros(200)
        for index in range(1, 200):
            noise[index] = 0.6 * noise[index - 1] + draw.normal(0, 0.15)
        return closed_rounds(list(100 * np.exp(noise)), 10)

    runs = [observe(one_run()) for _ in range(300)]
    p50s = [float(np.median(run.latency_ms)) for run in runs]
    rates = [200 * 50 / run.wall_s.sum() for run in runs]
    summaries = [summarise(run) for run in runs[:20]]
    for truth, estimates in ((p50s, [s.p50_ms for s in summaries]), (rates, [s.documents_per_s for s in summaries])):
        low, high = np.percentile(truth, [2.5, 97.5])
        widths = [estimate.high - estimate.low for estimate in estimates if estimate]
        assert np.median(widths) == pytest.approx(high - low, rel=0.35)
