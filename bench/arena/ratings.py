"""Ratings from points: Bradley-Terry by maximum likelihood, and sequential Elo for reference.

Pure functions over arrays. A contestant's points over another are wins plus half the ties. Bradley and Terry (1952):
i beats j with probability 1 / (1 + 10^((r_j - r_i) / 400)). The likelihood ignores the order of matches; Elo's
updates depend on it. Ratings are relative: their mean is 1500 in every group of contestants that met.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MEAN = 1500.0
SCALE = 400.0 / math.log(10.0)
K = 32.0
PRIOR = 0.5
"""Points to either side of a pair without a finite maximum (Haldane's and Anscombe's correction of 0 out of n)."""
PRECISION = 1e-10  # of a strength, in natural logarithms
ITERATIONS = 200
LONGEST_STEP = 2.0

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def bradley_terry(points: Array) -> Array:
    """Ratings on the Elo scale.

    Args:
        points: [..., n, n], points of row over column, any number of tournaments at once; the diagonal is 0.

    Returns:
        [..., n]. A contestant without a match has 1500.
    """
    points = points + PRIOR * unbounded(points)
    games = points + points.swapaxes(-1, -2)
    strength = np.zeros(points.shape[:-1])
    for _ in range(ITERATIONS):
        chance = _chance(strength)
        step = _newton_step(games, chance, (points - games * chance).sum(axis=-1))
        strength = _climb(points, strength, step)
        if np.abs(step).max(initial=0.0) <= PRECISION:
            break
    return np.asarray(MEAN + SCALE * strength, dtype=np.float64)


def unbounded(points: Array) -> Flags:
    """Return the pairs [..., n, n] that met but whose difference has no finite maximum.

    The maximum is finite where each of two contestants has beaten the other, directly or through a chain of wins
    (Ford, 1957): that is, within a strongly connected part of the graph of wins.
    """
    above = _closure(points > 0)
    met = (points + points.swapaxes(-1, -2)) > 0
    return np.asarray(met & ~(above & above.swapaxes(-1, -2)), dtype=np.bool_)


def groups(points: Array) -> Flags:
    """Return which contestants [..., n, n] met, directly or through others; everyone met itself."""
    return _closure((points + points.swapaxes(-1, -2)) > 0)


def sequential_elo(contestants: int, results: Iterable[tuple[int, int, float]]) -> Array:
    """Apply Elo's updates with K = 32, starting at 1500, in the given order; a result is (a, b, points of a)."""
    ratings = np.full(contestants, MEAN)
    for a, b, won in results:
        change = K * (won - 1.0 / (1.0 + 10.0 ** ((ratings[b] - ratings[a]) / 400.0)))
        ratings[a] += change
        ratings[b] -= change
    return ratings


def _chance(strength: Array) -> Array:
    """Return the probability that row beats column, [..., n, n]."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (strength[..., :, None] - strength[..., None, :]))), dtype=np.float64)


def _newton_step(games: Array, chance: Array, slope: Array) -> Array:
    """Return Newton's step, with mean 0 in every group."""
    weights = games * chance * (1.0 - chance)
    size = games.shape[-1]
    curvature = np.eye(size) * weights.sum(axis=-1)[..., None] - weights
    # A shift of a whole group changes nothing: this term makes the matrix regular and the shift zero.
    scale = np.maximum(weights.sum(axis=-1).max(axis=-1), 1e-12)[..., None, None]
    step = np.linalg.solve(curvature + scale * _closure(games > 0), slope[..., None])[..., 0]
    longest = np.abs(step).max(axis=-1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, LONGEST_STEP)), dtype=np.float64)


def _climb(points: Array, strength: Array, step: Array) -> Array:
    """Take one step up the likelihood, halved as long as it would lower it."""
    before = _log_likelihood(points, strength)
    for _ in range(40):
        down = _log_likelihood(points, strength + step) < before - 1e-10 * np.abs(before)
        if not down.any():
            break
        step = np.where(down[..., None], step / 2.0, step)
    return strength + step


def _log_likelihood(points: Array, strength: Array) -> Array:
    behind = strength[..., None, :] - strength[..., :, None]
    return np.asarray(-(points * np.logaddexp(0.0, behind)).sum(axis=(-1, -2)), dtype=np.float64)


def _closure(edges: Flags) -> Flags:
    """Return reachability [..., n, n] along the edges, by squaring; every node reaches itself."""
    reach = edges | np.eye(edges.shape[-1], dtype=np.bool_)
    for _ in range(max(1, math.ceil(math.log2(max(2, edges.shape[-1]))))):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    return np.asarray(reach, dtype=np.bool_)
