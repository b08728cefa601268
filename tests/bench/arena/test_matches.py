"""Who meets whom: every pair over every common query, rules for failures, and samples that are fair and nested."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.arena.entrants import read_entrants
from bench.arena.matches import Match, all_matches, shown_first
from bench.data import datasets
from bench.errors import DataError
from tests.support.arena.results import bad, good, load_from, write_dataset, write_run


def test_all_pairs_meet_over_every_common_query(toy: Path) -> None:
    """Three contestants, six queries: eighteen matches, names in order."""
    matches = all_matches(load_from(toy), 0)
    assert len({match.key for match in matches}) == len(matches) == 18
    assert {(match.a, match.b) for match in matches} == {("best", "half"), ("best", "worst"), ("half", "worst")}


def test_a_query_that_one_was_not_asked_is_no_match(toy: Path) -> None:
    """A run with --limit meets others over its own queries only."""
    write_run(toy / "results", toy / "toy", "short", {"q1": good(1)})
    matches = [match for match in all_matches(load_from(toy), 0) if "short" in (match.a, match.b)]
    assert {match.query_id for match in matches} == {"q1"}
    assert len(matches) == 3


def match(a: list[str] | None, b: list[str] | None) -> Match:
    return Match("toy", "q", "a", "b", None if a is None else tuple(a), None if b is None else tuple(b))


def test_rules_decide_failures_and_identical_lists() -> None:
    """A failed query loses to an answered one; two failed tie; lists tie that are the same as far as is looked."""
    assert match(["d1"], None).by_rule(10) == "a"
    assert match(None, ["d1"]).by_rule(10) == "b"
    assert match(None, None).by_rule(10) == "tie"
    assert match(["d1", "d2"], ["d1", "d3"]).by_rule(1) == "tie"
    assert match(["d1", "d2"], ["d1", "d3"]).by_rule(2) is None


def test_a_sample_is_seeded_nested_and_even(toy: Path, tmp_path: Path) -> None:
    """With two datasets and three pairs, a sample of twelve has two of each; a larger sample contains the smaller."""
    large = write_dataset(tmp_path, 12, name="large")
    for name in ("best", "half", "worst"):
        write_run(toy / "results", large, name, {f"q{n}": good(n) for n in range(12)})
    entrants = load_from(toy)
    drawn = all_matches(entrants, 1)[:12]
    assert set(Counter((each.dataset, each.a, each.b) for each in drawn).values()) == {2}
    assert [each.key for each in all_matches(entrants, 1)[:12]] == [each.key for each in drawn]
    assert [each.key for each in all_matches(entrants, 2)[:12]] != [each.key for each in drawn]
    write_run(toy / "results", large, "new", {f"q{n}": bad(n) for n in range(12)})
    before = [each.key for each in all_matches(entrants, 1)]
    after = [each.key for each in all_matches(load_from(toy), 1)]
    assert [key for key in after if "new" not in key[2:]] == before


def test_places_are_as_good_as_random() -> None:
    """About half of many matches show `a` first, and a match always the same."""
    matches = [Match("toy", f"q{n}", "a", "b", (), ()) for n in range(400)]
    firsts = Counter(shown_first(each) for each in matches)
    assert 150 < firsts["a"] < 250
    assert [shown_first(each) for each in matches[:20]] == [shown_first(each) for each in matches[:20]]


def test_contestants_of_other_candidates_are_refused(toy: Path) -> None:
    """Both files are named, with their hashes."""
    write_run(toy / "results", toy / "toy", "other", {"q0": good(0)}, candidates="d" * 64)
    with pytest.raises(DataError, match=r"best\.jsonl and .*other\.jsonl have different candidates"):
        load_from(toy)
    entrants = read_entrants(toy / "results", lambda note: datasets.load(toy / note.name), contestants=["best", "half"])
    assert set(entrants["toy"].runs) == {"best", "half"}


def test_contestants_of_another_version_of_the_dataset_are_refused(toy: Path) -> None:
    """The same candidates over texts or judgements that were changed in between."""
    write_run(toy / "results", toy / "toy", "worst", {"q0": good(0)}, dataset_sha256="e" * 64)
    with pytest.raises(DataError, match=r"best\.jsonl and .*worst\.jsonl have different dataset versions"):
        load_from(toy)


def test_texts_must_be_those_that_were_ranked(toy: Path) -> None:
    """A dataset that was changed since is refused."""
    corpus = toy / "toy" / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("document 3", "document three"))
    with pytest.raises(DataError, match="is not the one ranked in"):
        load_from(toy)


@pytest.mark.parametrize(
    ("only", "sentence"),
    [
        ({"datasets": ["nowhere"]}, "no dataset 'nowhere'.*available: toy"),
        ({"contestants": ["nobody"]}, "no contestant 'nobody'.*available: best, half, worst"),
        ({"contestants": ["best"]}, "no dataset ranked by two contestants"),
    ],
    ids=["unknown dataset", "unknown contestant", "one alone"],
)
def test_what_is_not_there_is_told_with_what_is(toy: Path, only: dict[str, Any], sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(DataError, match=sentence):
        read_entrants(toy / "results", lambda note: datasets.load(toy / note.name), **only)


def test_a_torn_line_is_passed_over_and_a_damaged_one_is_an_error(toy: Path) -> None:
    """As a kill leaves a file; and as nothing should."""
    file = toy / "results" / "accuracy" / "toy" / "best.jsonl"
    file.write_bytes(file.read_bytes() + b'{"line":"ranking","query_id":"q9"')
    assert len(load_from(toy)["toy"].runs["best"].rankings) == 6
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(DataError, match=r"best\.jsonl line 8"):
        load_from(toy)
