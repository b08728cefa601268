"""Counts in messages, in both rooms that have them."""

import ast
from pathlib import Path

import pytest

import bench.wording
import models.wording


@pytest.mark.parametrize("room", [models.wording, bench.wording])
def test_a_count_of_one_is_in_the_singular(room: object) -> None:
    """Nouns in s, y and ch too; and the verb, which is "is" or "was" for one."""
    counted, are = room.counted, room.are  # type: ignore[attr-defined]
    nouns = ("document", "query", "batch", "index", "day", "warm-up request")
    assert [counted(1, noun) for noun in nouns] == [f"1 {noun}" for noun in nouns]
    many = ["documents", "queries", "batches", "indexes", "days", "warm-up requests"]
    for count in (0, 2, 1000):
        assert [counted(count, noun) for noun in nouns] == [f"{count} {noun}" for noun in many]
    assert (counted(1.0, "request", "g"), counted(1.5, "request", "g")) == ("1 request", "1.5 requests")
    assert [are(0), are(1), are(2), are(1, "were"), are(2, "were")] == ["are", "is", "are", "was", "were"]


def test_both_rooms_have_the_same_words() -> None:
    """The bench may not import from the others, so it has a copy."""
    assert ast.dump(ast.parse(Path(models.wording.__file__).read_text())) == ast.dump(
        ast.parse(Path(bench.wording.__file__).read_text())
    )
