"""The gates of preparing: measures against scipy and by hand, and every bound from both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from models.pair import Logits
from models.prepare.gates import GATES, LABELS, RANKED, Agreement, failures, kendall_tau, measure, top_shared

FEW = st.integers(0, 4)
PRECISIONS = sorted(GATES)
SPREAD = 2.0


def logits(*values: float) -> Logits:
    return np.array(values, np.float32)


def agreement(
    worst: float = 0.0,
    mean: float = 0.0,
    kendall_tau: float = 1.0,
    top_10: float = 1.0,
    batch_variance: float | None = 0.0,
    spread: float = SPREAD,
) -> Agreement:
    """A perfect agreement but for what is given."""
    return Agreement(50, spread, worst, mean, kendall_tau, top_10, batch_variance, classes={})


@given(st.lists(st.tuples(FEW, FEW), min_size=2, max_size=30))
def test_tau_is_scipys_tau_b(pairs: list[tuple[int, int]]) -> None:
    """On lists full of ties it is scipy's kendalltau wherever that is a number."""
    left, right = (logits(*values) for values in zip(*pairs, strict=True))
    expected = kendalltau(left, right).statistic
    if not np.isnan(expected):
        assert kendall_tau(left, right) == pytest.approx(expected, abs=1e-6)


def test_tau_of_lists_without_any_order() -> None:
    """All equal on both sides is full agreement; equal on one side only is none."""
    equal, ordered = logits(1, 1, 1), logits(1, 2, 3)
    assert kendall_tau(equal, equal + 5) == 1.0
    assert kendall_tau(equal, ordered) == 0.0
    assert kendall_tau(ordered, equal) == 0.0


def test_the_best_shared_are_counted_by_place_not_by_order() -> None:
    """Two of the reference's three best (4, 3, 2) are among the artefact's three (4, 2, 0); order is ignored."""
    expected, found = logits(1, 2, 3, 4, 5), logits(8, 1, 9, 2, 7)
    assert top_shared(expected, found, top=3) == pytest.approx(2 / 3)
    assert top_shared(expected, -expected, top=2) == 0.0
    assert top_shared(expected, expected * 2) == 1.0


def test_the_best_are_ten() -> None:
    """A reversed list of 20 shares none of its ten best; swapping ranks 9 and 10 leaves nine in ten shared."""
    expected = np.arange(20, 0, -1).astype(np.float32)
    assert top_shared(expected, -expected) == 0.0
    swapped = expected.copy()
    swapped[[9, 10]] = swapped[[10, 9]]
    assert top_shared(expected, swapped) == 0.9


def test_a_class_is_measured_by_itself() -> None:
    """Differences over all and by class; order only in classes of 20 pairs; tau and top 10 are the lowest class's."""
    lengths = [64] * 20 + [16] * 20 + [128] * 3
    expected = np.concatenate([np.arange(20), np.arange(20), [5, 6, 7]]).astype(np.float32)
    found = expected.copy()
    found[:20] = found[:20][::-1]  # the class of 64 is upside down: worst 19
    found[40] += 0.5
    result = measure(lengths, expected, found, batch_variance=0.25)
    assert list(result.classes) == ["16", "64", "128"]
    assert [one.pairs for one in result.classes.values()] == [20, 20, 3]
    short, upside_down, few = result.classes.values()
    assert (short.worst, short.mean, short.kendall_tau, short.top_10) == (0, 0, 1, 1)
    assert (upside_down.worst, upside_down.kendall_tau, upside_down.top_10) == (19, -1, 0)
    assert (few.worst, few.kendall_tau, few.top_10) == (0.5, None, None)
    assert few.mean == pytest.approx(0.5 / 3)
    assert (result.pairs, result.worst, result.kendall_tau, result.top_10) == (43, 19, -1, 0)
    assert result.mean == pytest.approx((200 + 0.5) / 43)
    assert result.spread == pytest.approx(np.std(expected))
    assert result.batch_variance == 0.25


def test_classes_too_small_to_rank_pass_the_rank_gates() -> None:
    """Without a class of 20 pairs there is no order to judge: tau and top 10 count as kept."""
    small = np.arange(RANKED - 1, dtype=np.float32)
    result = measure([512] * len(small), small, -small, batch_variance=None)
    assert (result.kendall_tau, result.top_10) == (1.0, 1.0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_full_agreement_passes(precision: str) -> None:
    """No difference fails nothing, not even where the reference has no spread at all."""
    assert failures(agreement(), precision) == []
    assert failures(agreement(spread=0.0), precision) == []


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["worst", "mean", "batch_variance"])
def test_a_difference_is_bounded_in_spreads(precision: str, name: str) -> None:
    """Just inside bound times spread passes; just outside fails, and only that gate, with its name and bound."""
    bound = getattr(GATES[precision], name)
    assert failures(agreement(**{name: bound * SPREAD * 0.999}), precision) == []
    (failure,) = failures(agreement(**{name: bound * SPREAD * 1.001}), precision)
    assert failure.startswith(f"{LABELS[name]} ")
    assert f"exceeds {bound:g} x 2, the logits' standard deviation" in failure


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["kendall_tau", "top_10"])
def test_order_must_be_kept_to_a_bound(precision: str, name: str) -> None:
    """The bound itself passes; just under it fails, and only that gate."""
    bound = getattr(GATES[precision], name)
    assert failures(agreement(**{name: bound}), precision) == []
    (failure,) = failures(agreement(**{name: bound - 0.001}), precision)
    assert failure == f"{name} {bound - 0.001:.3f} is below {bound:g}"


@pytest.mark.parametrize("name", ["worst", "mean", "batch_variance", "kendall_tau", "top_10"])
def test_a_figure_that_is_no_number_fails(name: str) -> None:
    """NaN is neither inside nor outside a bound: it fails its gate."""
    (failure,) = failures(agreement(**{name: float("nan")}), "int8")
    assert failure.startswith(LABELS.get(name, name))


def test_a_logit_that_is_no_number_fails() -> None:
    """One NaN among the artefact's logits makes the differences NaN, and those fail."""
    expected = np.arange(40, dtype=np.float32)
    found = expected.copy()
    found[7] = np.nan
    failed = failures(measure([16] * 40, expected, found, None), "int8")
    assert [line.split()[0] for line in failed[:2]] == ["worst", "mean"]


def test_what_is_run_one_pair_at_a_time_has_no_batch_variance() -> None:
    """None is not measured, so it cannot fail."""
    assert failures(agreement(batch_variance=None), "fp32") == []


def test_a_more_exact_precision_has_the_narrower_gate() -> None:
    """fp32 is held closest, then fp16, then int8; int8 still keeps the order of nine pairs in ten."""
    exact, half, eighth = GATES["fp32"], GATES["fp16"], GATES["int8"]
    assert exact.worst < half.worst < eighth.worst
    assert exact.mean < half.mean < eighth.mean
    assert exact.kendall_tau > half.kendall_tau > eighth.kendall_tau >= 0.9
    assert exact.top_10 > half.top_10 > eighth.top_10 >= 0.8
