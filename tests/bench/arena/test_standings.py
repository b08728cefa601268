"""Standings from outcomes: records, win rates, intervals over queries, and what does and does not depend on order."""

import math
import random

import pytest

from bench.arena.records import Standing
from bench.arena.standings import Outcome, standings
from bench.records import Estimate
from tools.bench.interval_coverage import NAMES, covered, simulated

RESAMPLES = 200


def outcome(query: int, a: str, b: str, verdict: str, dataset: str = "toy") -> Outcome:
    return Outcome((dataset, f"q{query}", a, b), verdict)


def _rate(of: Standing) -> Estimate:
    assert of.win_rate_tie_half is not None
    return of.win_rate_tie_half


def _value(of: Standing) -> float:
    return _rate(of).value


def test_wins_losses_ties_and_win_rate_are_counted() -> None:
    """Worked by hand: x beats y twice, loses once, ties once; a tie is half a win to each."""
    found = standings([outcome(n, "x", "y", verdict) for n, verdict in enumerate(["a", "a", "b", "tie"])], 0, RESAMPLES)
    x, y = found.standings
    assert (x.contestant, x.wins, x.losses, x.ties, _value(x)) == ("x", 2, 1, 1, 0.625)
    assert (y.contestant, y.wins, y.losses, y.ties, _value(y)) == ("y", 1, 2, 1, 0.375)
    (pair,) = found.pairs
    assert (pair.a, pair.b, pair.wins_a, pair.wins_b, pair.ties) == ("x", "y", 2, 1, 1)
    assert (found.matches, found.queries) == (4, 4)


def test_nothing_but_ties_is_a_win_rate_of_a_half() -> None:
    """Two equal contestants: neither 0 nor 1, in every resample."""
    found = standings([outcome(n, "x", "y", "tie") for n in range(5)], 0, RESAMPLES)
    assert [(_rate(of).low, _rate(of).value, _rate(of).high) for of in found.standings] == [(0.5, 0.5, 0.5)] * 2


def test_only_sequential_elo_depends_on_the_order_of_matches() -> None:
    """A shuffled tournament: every other figure is the same to the last digit."""
    outcomes = simulated(1, 30)
    shuffled = random.Random(0).sample(outcomes, len(outcomes))
    one, other = (
        {each.contestant: each for each in standings(order, 0, RESAMPLES).standings} for order in (outcomes, shuffled)
    )
    for name in NAMES:
        assert (one[name].rating, one[name].win_rate_tie_half) == (other[name].rating, other[name].win_rate_tie_half)
        assert one[name].sequential_elo != other[name].sequential_elo


def test_the_same_seed_gives_the_same_intervals_and_another_one_others() -> None:
    """Reproducible, and really drawn."""
    outcomes = simulated(2, 30)
    assert standings(outcomes, 3, RESAMPLES) == standings(outcomes, 3, RESAMPLES)
    assert standings(outcomes, 3, RESAMPLES).standings != standings(outcomes, 4, RESAMPLES).standings


def test_intervals_hold_the_true_rating() -> None:
    """In 30 simulated tournaments, 120 intervals: at least 88 % of them, where 95 % is meant (200: see coverage.py)."""
    assert 0.88 <= covered(30, resamples=300) <= 1.0


def test_intervals_are_over_queries_and_not_over_matches() -> None:
    """Three pairs that all say the same over a query are one observation: copies of them narrow nothing."""
    rng = random.Random(5)
    once, copies = [], []
    for query in range(40):
        verdict = "a" if rng.random() < 0.6 else "b"
        once.append(outcome(query, "x", "y", verdict))
        copies += [outcome(query, "x", "y", verdict)] * 5
    width = {len(all_): _rate(standings(all_, 0, 1000).standings[0]) for all_ in (once, copies)}
    narrow, wide = width[len(copies)], width[len(once)]
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=0.02)


def test_datasets_are_resampled_within_themselves() -> None:
    """A dataset of one query is in every resample once: x always has its win there."""
    outcomes = [outcome(0, "x", "y", "a", "one")] + [outcome(n, "x", "y", "b", "two") for n in range(9)]
    x = next(each for each in standings(outcomes, 0, RESAMPLES).standings if each.contestant == "x")
    assert (_rate(x).low, _rate(x).value, _rate(x).high) == (0.1, 0.1, 0.1)


def test_infinite_differences_are_told() -> None:
    """One pair without a finite difference, and how many resamples needed the same."""
    found = standings([outcome(n, "x", "y", "a") for n in range(10)], 0, RESAMPLES)
    assert (found.prior_pairs, found.resamples_with_prior) == (1, RESAMPLES)
    assert found.standings[0].rating.value < 1500 + 300
    mixed = standings([outcome(n, "x", "y", "ab"[n % 2]) for n in range(40)], 0, RESAMPLES)
    assert (mixed.prior_pairs, mixed.resamples_with_prior) == (0, 0)


def test_groups_that_never_met_are_named() -> None:
    """Ratings of two separate pairs are not comparable, and the record says so."""
    found = standings([outcome(0, "a", "b", "a"), outcome(0, "c", "d", "b", "other")], 0, RESAMPLES)
    assert found.groups == [["a", "b"], ["c", "d"]]


def test_a_tie_is_half_a_win_in_the_rating() -> None:
    """Two wins, one loss and one tie are 2.5 points to 1.5."""
    found = standings([outcome(n, "x", "y", verdict) for n, verdict in enumerate(["a", "a", "b", "tie"])], 0, RESAMPLES)
    x, y = (each.rating.value for each in found.standings)
    assert x - y == pytest.approx(400 * math.log10(2.5 / 1.5), abs=1e-5)


def test_a_resample_without_any_match_of_a_contestant_tells_nothing_of_it() -> None:
    """z lost its only match, over one query of ten: no resample rates it 1500 for want of matches."""
    outcomes = [outcome(n, "x", "y", "ab"[n % 2]) for n in range(10)] + [outcome(0, "x", "z", "a")]
    z = standings(outcomes, 0, RESAMPLES).standings[-1]
    assert z.contestant == "z"
    assert z.rating.high < 1500
