"""Bradley-Terry against closed form, another implementation and simulated tournaments; sequential Elo's order."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from bench.arena.ratings import bradley_terry, groups, sequential_elo, unbounded

Array = NDArray[np.float64]


def random_points(rng: np.random.Generator, contestants: int, most: int = 40) -> Array:
    points = rng.integers(1, most, size=(contestants, contestants)) + rng.integers(0, 2, size=(contestants,) * 2) / 2
    np.fill_diagonal(points, 0)
    return np.asarray(points, dtype=np.float64)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 200))
def test_two_contestants_have_the_closed_form(wins: int, losses: int, ties: int) -> None:
    """The difference is 400 log10 of wins over losses, a tie half a win each; the mean is 1500."""
    w, l = wins + ties / 2, losses + ties / 2  # noqa: E741
    a, b = bradley_terry(np.array([[0, w], [l, 0]]))
    assert a - b == pytest.approx(400 * math.log10(w / l), abs=1e-6)
    assert a + b == pytest.approx(3000)


@pytest.mark.parametrize("contestants", [3, 7, 12])
def test_it_is_what_a_general_optimiser_finds(contestants: int) -> None:
    """scipy's BFGS on the likelihood as Bradley and Terry wrote it: sum of w_ij log(p_i / (p_i + p_j))."""
    points = random_points(np.random.default_rng(contestants), contestants)

    def loss(strength: Array) -> float:
        power = np.exp(strength)
        return -math.fsum(
            points[i, j] * math.log(power[i] / (power[i] + power[j]))
            for i, j in itertools.permutations(range(contestants), 2)
        )

    found = minimize(loss, np.zeros(contestants), method="BFGS", options={"gtol": 1e-7}).x
    expected = 1500 + 400 / math.log(10) * (found - found.mean())
    assert bradley_terry(points) == pytest.approx(expected, abs=0.01)


def test_expected_points_equal_the_points_won() -> None:
    """The likelihood equations, which only the maximum fulfils (Bradley and Terry, 1952)."""
    points = random_points(np.random.default_rng(3), 9)
    ratings = bradley_terry(points)
    games = points + points.T
    chance = 1 / (1 + 10 ** ((ratings[None, :] - ratings[:, None]) / 400))
    assert (games * chance).sum(axis=1) == pytest.approx(points.sum(axis=1), abs=1e-6)


def test_many_tournaments_at_once_are_each_alone() -> None:
    """A stack of tournaments, the unbounded and the disconnected among them, gives what each gives by itself."""
    rng = np.random.default_rng(5)
    stack = np.stack([random_points(rng, 5) * (rng.random((5, 5)) < 0.4) for _ in range(60)])
    assert bradley_terry(stack) == pytest.approx(np.stack([bradley_terry(each) for each in stack]), abs=1e-6)


def test_a_contestant_that_won_everything_stays_finite() -> None:
    """Half a win each is added to the pairs that need it: 10 to 0 becomes 10.5 to 0.5."""
    a, b = bradley_terry(np.array([[0, 10.0], [0, 0]]))
    assert a - b == pytest.approx(400 * math.log10(10.5 / 0.5))


def test_a_finite_maximum_is_left_as_it_is() -> None:
    """A cycle has one although no pair has beaten each other both ways; a chain of wins has none."""
    cycle = np.array([[0, 3.0, 0], [0, 0, 3], [3, 0, 0]])
    assert not unbounded(cycle).any()
    assert bradley_terry(cycle) == pytest.approx([1500] * 3)
    chain = np.array([[0, 3.0, 0], [0, 0, 3], [0, 0, 0]])
    assert unbounded(chain).sum() == 4


def test_the_prior_leaves_other_pairs_alone() -> None:
    """Two that beat each other keep their exact difference when a third has lost everything to both alike."""
    points = np.array([[0, 30.0, 10], [10, 0, 10], [0, 0, 0]])
    assert unbounded(points).tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_those_that_never_met_are_groups_of_their_own() -> None:
    """Each group has its mean at 1500, and one without a match stands there alone."""
    points = np.zeros((5, 5))
    points[0, 1], points[1, 0], points[2, 3], points[3, 2] = 3, 1, 1, 9
    ratings = bradley_terry(points)
    assert ratings[:2].mean() == pytest.approx(1500)
    assert ratings[2:4].mean() == pytest.approx(1500)
    assert ratings[4] == 1500
    assert groups(points).sum(axis=1).tolist() == [2, 2, 2, 2, 1]


def test_lopsided_tournaments_converge() -> None:
    """A thousand to one along a chain is fitted to its closed form."""
    points = np.zeros((5, 5))
    for i in range(4):
        points[i, i + 1], points[i + 1, i] = 1000, 1
    assert -np.diff(bradley_terry(points)) == pytest.approx([400 * math.log10(1000)] * 4, abs=1e-4)


def test_sequential_elo_depends_on_order_and_bradley_terry_does_not() -> None:
    """The same ten results in another order: other Elo figures, the same ratings."""
    results = [(0, 1, 1.0)] * 5 + [(0, 1, 0.0)] * 5
    forwards, backwards = sequential_elo(2, results), sequential_elo(2, results[::-1])
    assert forwards[0] < 1500 < backwards[0]
    points = {order: np.zeros((2, 2)) for order in ("forwards", "backwards")}
    for order, sequence in (("forwards", results), ("backwards", results[::-1])):
        for a, b, won in sequence:
            points[order][a, b] += won
            points[order][b, a] += 1 - won
    assert bradley_terry(points["forwards"]).tolist() == bradley_terry(points["backwards"]).tolist() == [1500, 1500]


def test_sequential_elo_moves_by_k() -> None:
    """Worked by hand: equals exchange 16 points; then 1516 against 1484 wins again for 32 (1 - .5460)."""
    assert sequential_elo(2, [(0, 1, 1.0)]).tolist() == [1516, 1484]
    assert sequential_elo(2, [(0, 1, 1.0), (0, 1, 1.0)])[0] == pytest.approx(1516 + 32 * (1 - 0.545922), abs=1e-3)
    assert sequential_elo(2, [(0, 1, 0.5)]).tolist() == [1500, 1500]
