"""The reliability figure of the embedded model's card: its tenths, its intervals, its error, its picture."""

from pathlib import Path

import numpy as np
import pytest

from tools.embedded.reliability import bins, draw, expected_error


def test_a_calibrated_relevance_has_no_error() -> None:
    """Labels drawn by the very chances: every tenth's interval holds what was said, but for a few by chance."""
    random = np.random.default_rng(0)
    chances = random.uniform(size=20_000)
    found = bins(chances, (random.uniform(size=len(chances)) < chances).astype(np.float64))
    assert [round(one.said, 1) for one in found] == pytest.approx([0.05 + place / 10 for place in range(10)], abs=0.051)
    assert sum(one.pairs for one in found) == 20_000
    assert sum(one.low <= one.said <= one.high for one in found) >= 9
    assert expected_error(found) < 0.015


def test_an_overconfident_relevance_shows() -> None:
    """All said to be .95 where half are: an error of .45; tenths without a pair are left out."""
    (only,) = bins(np.full(1000, 0.95), np.tile([0.0, 1.0], 500))
    assert (only.pairs, only.relevant) == (1000, 0.5)
    assert only.said == pytest.approx(0.95)
    assert expected_error([only]) == pytest.approx(0.45)
    (certain,) = bins(np.ones(4), np.ones(4))
    assert (certain.low, certain.high) == pytest.approx((0.5101, 1.0), abs=1e-3)


def test_the_picture_is_the_same_each_time(tmp_path: Path) -> None:
    """So that a change in it is one of the figures."""
    found = bins(np.linspace(0, 1, 50), np.tile([0.0, 1.0], 25))
    for name in ("one.svg", "two.svg"):
        draw(found, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
