"""Pauses and load shapes: read, refused, and the users that they come to."""

import pytest

from bench.errors import BenchError
from bench.load.plans import Pause, pause, users


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("none", Pause("constant", (0.0,))),
        ("constant:1.5", Pause("constant", (1.5,))),
        ("between:0:2", Pause("between", (0.0, 2.0))),
        ("poisson:3", Pause("poisson", (3.0,))),
        ("constant_throughput:0.5", Pause("constant_throughput", (0.5,))),
    ],
)
def test_pauses_are_read(text: str, read: Pause) -> None:
    """By locust's own names."""
    assert pause(text) == read


@pytest.mark.parametrize(
    "text", ["", "constant", "constant:x", "constant:-1", "between:1", "poisson:0", "constant:inf", "none:1", "fast:1"]
)
def test_what_is_no_pause_is_refused(text: str) -> None:
    """With what would be one; a rate of 0 would wait for ever."""
    with pytest.raises(BenchError, match=": give none"):
        pause(text)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("step", [2, 2, 2, 4, 4, 6, 6, 6, 8, 8]),
        ("spike", [1, 1, 1, 1, 8, 8, 1, 1, 1, 1]),
        ("soak", [1, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
    ],
)
def test_users_over_time(shape: str, expected: list[int]) -> None:
    """Eight users in ten seconds, looked at as each begins; then it is over."""
    assert [users(shape, second, 10, 8) for second in range(10)] == expected
    assert users(shape, 10, 10, 8) is None


def test_a_soak_rises_slowly() -> None:
    """In ten steps over the first tenth, so that the server is not thrown into it."""
    assert [users("soak", tenth + 0.5, 100, 50) for tenth in range(10)] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
