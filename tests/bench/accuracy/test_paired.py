"""Paired comparison against scipy, simulations and cases worked by hand; unequal queries are refused."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.accuracy import paired, tables
from bench.accuracy.stage import AccuracySettings, measure_accuracy
from bench.candidates.frozen import Choice, load_or_freeze
from bench.contestants.reference import Reference
from bench.data import datasets
from bench.errors import BenchError
from bench.records import AccuracyRecord

NAMES = ("a", "b")


def _values(numbers: Any) -> dict[str, float]:
    return {f"q{n}": float(value) for n, value in enumerate(numbers)}


def test_worked_case() -> None:
    """Differences .4, .2, 0, -.1: mean .125; of the 8 sign patterns of three, 4 are as far from 0 as .5."""
    result = paired.compare_values(NAMES, "nDCG@10", _values([0.9, 0.7, 0.5, 0.2]), _values([0.5, 0.5, 0.5, 0.3]))
    assert (result.wins, result.losses, result.ties, result.queries) == (2, 1, 1, 4)
    assert result.difference.value == pytest.approx(0.125)
    assert result.difference.low < 0.125 < result.difference.high
    # |±.4 ±.2 ±.1| ≥ .5: .7, .5 and their negatives
    assert result.p_value == pytest.approx(4 / 8)
    assert result.effect_size == pytest.approx(0.125 / np.std([0.4, 0.2, 0, -0.1], ddof=1))


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.63092975, 1.0]), st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        min_size=2,
        max_size=9,
    )
)
def test_few_queries_equal_scipys_exact_test(pairs: list[tuple[float, float]]) -> None:
    """All sign patterns, as scipy goes through them with ties and zeros."""
    first, second = np.array(pairs).T
    ours = paired.compare_values(NAMES, "m", _values(first), _values(second)).p_value
    assert ours == pytest.approx(_scipy_p(first, second), abs=1e-9)


def _scipy_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """scipy's randomisation test of the mean difference of pairs."""

    def statistic(x: NDArray[np.float64], y: NDArray[np.float64], axis: int) -> Any:
        return np.round(np.mean(x - y, axis=axis), 12)  # sums in another order are the same sum

    tested = scipy.stats.permutation_test(
        (first, second), statistic, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    return float(tested.pvalue)


def test_many_queries_agree_with_the_t_test() -> None:
    """300 normal differences: draws of signs and Student's t tell the same p, to the draws' noise."""
    draw = np.random.default_rng(3)
    for shift in (0.0, 0.01, 0.02, 0.03):
        differences = draw.normal(shift, 0.2, 300)
        expected = float(scipy.stats.ttest_1samp(differences, 0).pvalue)
        assert paired.sign_flip_p(differences) == pytest.approx(expected, abs=0.02)


def test_chance_is_called_a_difference_as_often_as_it_says() -> None:
    """In 120 comparisons of equals, about 5 % have p ≤ .05 and about 5 % of the intervals miss 0."""
    draw = np.random.default_rng(0)
    results = [
        paired.compare_values(NAMES, "m", _values(draw.random(60)), _values(draw.random(60))) for _ in range(120)
    ]
    assert sum(result.p_value <= 0.05 for result in results) / 120 <= 0.11
    assert sum(result.difference.low <= 0 <= result.difference.high for result in results) / 120 >= 0.88


def test_exact_and_drawn_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same twelve differences by all patterns and by draws."""
    differences = np.random.default_rng(5).normal(0.1, 0.2, 12)
    exact = paired.sign_flip_p(differences)
    monkeypatch.setattr(paired, "EXACT_UP_TO", 0)
    assert paired.sign_flip_p(differences) == pytest.approx(exact, abs=0.015)
    assert paired.sign_flip_p(differences) == paired.sign_flip_p(differences)
    assert paired.sign_flip_p(differences, seed=1) != paired.sign_flip_p(differences)


def test_direction_only_turns_the_sign() -> None:
    """B against A: wins and losses exchanged, the difference negative, p and size of effect the same."""
    draw = np.random.default_rng(2)
    first, second = _values(draw.random(40)), _values(draw.random(40))
    forth, back = paired.compare_values(NAMES, "m", first, second), paired.compare_values(NAMES, "m", second, first)
    assert (forth.wins, forth.losses, forth.p_value) == (back.losses, back.wins, back.p_value)
    assert forth.difference.value == pytest.approx(-back.difference.value)
    assert forth.effect_size == pytest.approx(-(back.effect_size or 0))


def test_order_of_the_queries_does_not_matter() -> None:
    """The pairs are by query id, not by position."""
    first, second = _values([0.1, 0.9, 0.4]), _values([0.2, 0.3, 0.4])
    turned = dict(reversed(second.items()))
    assert paired.compare_values(NAMES, "m", first, turned) == paired.compare_values(NAMES, "m", first, second)


def test_no_difference_and_always_the_same_one() -> None:
    """All ties: p is 1. The same difference everywhere has no spread, so no effect size; p falls with the queries."""
    same = paired.compare_values(NAMES, "m", _values([0.3, 0.4]), _values([0.3, 0.4 + 1e-12]))
    assert (same.ties, same.p_value, same.effect_size, same.difference.value) == (2, 1.0, None, 0.0)
    always = paired.compare_values(NAMES, "m", _values([0.75] * 10), _values([0.5] * 10))
    assert (always.p_value, always.effect_size) == (2 / 2**10, None)
    assert paired.compare_values(NAMES, "m", _values([0.75] * 200), _values([0.5] * 200)).p_value == 1 / 10_001
    assert paired.compare_values(NAMES, "m", _values([0.75]), _values([0.5])).p_value == 1.0


def test_unequal_queries_are_refused() -> None:
    """Too few, and other ones: both counts and an example."""
    with pytest.raises(BenchError, match=r"a has 2 queries and b 1; 1 is in only one of them, such as 'q1'"):
        paired.compare_values(NAMES, "m", _values([1, 0]), _values([1]))
    with pytest.raises(BenchError, match=r"2 are in only one of them, such as 'x'"):
        paired.compare_values(NAMES, "m", {"x": 1.0}, {"y": 1.0})
    with pytest.raises(BenchError, match="needs the same queries"):
        paired.compare_values(NAMES, "m", {}, {})


def _record(name: str, folder: Path, limit: int | None = None) -> AccuracyRecord:
    sample = datasets.load(datasets.SAMPLE)
    settings = AccuracySettings(limit=limit)
    candidates = load_or_freeze(sample, Choice(10), folder)
    return measure_accuracy(Reference(name, name), sample, candidates, folder, settings)


def test_records_are_compared_by_every_measure(tmp_path: Path) -> None:
    """The oracle against BM25 on the sample: never worse, by all five measures; other candidates or queries refused."""
    oracle, bm25 = _record("oracle", tmp_path), _record("bm25", tmp_path)
    results = [paired.compare(oracle, bm25, measure) for measure in oracle.measures]
    assert {(result.first, result.second, result.losses) for result in results} == {("oracle", "bm25", 0)}
    expected = oracle.measures["nDCG@10"].value - bm25.measures["nDCG@10"].value
    assert results[1].difference.value == pytest.approx(expected)
    line = tables.paired_line(results[1])
    assert line.startswith("  paired: oracle - bm25: nDCG@10 +")
    assert line.endswith(
        f"p = {results[1].p_value:.4f}, effect size {results[1].effect_size:.2f}, "
        f"better on {results[1].wins}, worse on 0, equal on {14 - results[1].wins} of 14 queries"
    )
    other = msgspec.structs.replace(bm25, candidates=msgspec.structs.replace(bm25.candidates, sha256="0" * 64))
    with pytest.raises(BenchError, match="oracle and bm25 were measured on different candidates"):
        paired.compare(oracle, other, "nDCG@10")
    with pytest.raises(BenchError, match="bm25 2"):
        paired.compare(oracle, _record("bm25", tmp_path, limit=2), "nDCG@10")
