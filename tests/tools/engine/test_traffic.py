"""The requests that the engine's measurements send."""

import json
from pathlib import Path

import click
import pytest

from tools.engine.traffic import RequestSupply


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three queries and ten passages, each of them twice."""
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps([[f"query {n % 3}", f"passage {n % 10}"] for n in range(20)]))
    return path


def test_no_pair_is_drawn_again_before_the_passages_are_used_up(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two requests of five a query are distinct, whatever sizes come between; the next ones are counted and told."""
    supply = RequestSupply(pairs)
    made = [*supply.take(5, 3), *supply.take(1, 3), *supply.take(4, 3)]
    sent = [(request.query, text) for request in made for text in request.documents]
    assert len(sent) == len(set(sent)) == 30
    supply.report()
    assert (supply.repeated_pairs, capsys.readouterr().out) == (0, "")
    again = supply.take(3, 4)
    assert all(len(set(request.documents)) == 3 for request in again)
    supply.report()
    assert capsys.readouterr().out.startswith("12 of 42 pairs were sent before;")


def test_a_request_larger_than_the_file_is_refused(pairs: Path) -> None:
    """By the number of its distinct passages; it was cut short without a word."""
    assert len(RequestSupply(pairs).take(10, 1)[0].documents) == 10
    with pytest.raises(click.ClickException, match=r"of 11 documents would repeat some.* passages in .* is 10"):
        RequestSupply(pairs).take(11, 1)


def test_a_seed_gives_the_same_requests_again(pairs: Path) -> None:
    """Another seed gives others."""
    first, again, other = (RequestSupply(pairs, seed).take(4, 6) for seed in (1, 1, 2))
    assert first == again != other
