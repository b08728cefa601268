"""Rating groups: who shares a scale, and what the table, the record and the page say of those who do not."""

import json
import random
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.arena import record_reader
from bench.arena.groups import rating_groups
from bench.arena.records import ArenaRecord, Standings
from bench.arena.standings import Outcome, standings
from bench.cli import main
from bench.errors import DataError
from tests.support.arena.command import arena, read, sentence
from tests.support.arena.results import bad, good, write_dataset, write_run
from tests.support.report_results import tables


def rank(root: Path, dataset: str, name: str, right: Iterable[int], queries: Iterable[int] = range(6)) -> None:
    """Write a run that has the relevant document first on some of its queries."""
    rankings = {f"q{n}": good(n) if n in set(right) else bad(n) for n in queries}
    write_run(root / "results", root / dataset, name, rankings)


@pytest.fixture
def two_sets(tmp_path: Path) -> Path:
    """A folder with the datasets `toy` and `hard`, which nobody has ranked yet."""
    write_dataset(tmp_path)
    write_dataset(tmp_path, name="hard")
    return tmp_path


def both(root: Path, *arguments: str) -> ArenaRecord:
    """The record of the arena over both datasets."""
    done = arena(root, "--data", str(root / "hard"), *arguments)
    assert done.exit_code == 0, done.output
    return read(root, "qrels")


def names(table: Standings) -> list[str]:
    return sorted(at.contestant for at in table.standings)


def ratings(table: Standings) -> dict[str, float]:
    return {at.contestant: at.rating.value for at in table.standings}


def write_one_artefact_twice(root: Path) -> None:
    """`ours-a` and `ours-b` are the same artefact, each on a set of its own; only `bm25` was given both sets."""
    rank(root, "toy", "bm25", (0, 1, 2))
    rank(root, "hard", "bm25", (0, 1, 2, 3, 4))
    rank(root, "toy", "ours-a", (1, 2, 3, 4))
    rank(root, "hard", "ours-b", (1, 2, 3, 4))


def test_contestants_that_met_only_through_a_third_are_rated_apart(two_sets: Path) -> None:
    """The same rankings on an easier and on a harder set would stand far apart on one scale."""
    write_one_artefact_twice(two_sets)
    record = both(two_sets)
    assert record.overall.standings == []
    assert [names(table) for table in record.overall.tables] == [["bm25", "ours-a"], ["bm25", "ours-b"]]
    assert record.overall.groups == [["bm25", "ours-a"], ["bm25", "ours-b"]]
    assert [table.datasets for table in record.overall.tables] == [["toy"], ["hard"]]
    for table in record.overall.tables:
        assert sum(ratings(table).values()) == pytest.approx(3000)
        assert table == record.by_dataset[table.datasets[0]]
    assert (record.overall.matches, record.overall.queries) == (12, 12)


def test_one_contestant_in_two_groups_has_a_rating_in_each(two_sets: Path) -> None:
    """`ours` met `a` on one set and `b` on another, and `a` and `b` never met: no table has both."""
    for dataset, other, right in (("toy", "a", (0,)), ("hard", "b", (0, 1, 2, 3, 4))):
        rank(two_sets, dataset, "ours", (1, 2, 3))
        rank(two_sets, dataset, other, right)
    record = both(two_sets)
    assert [names(table) for table in record.overall.tables] == [["a", "ours"], ["b", "ours"]]
    with_a, with_b = map(ratings, record.overall.tables)
    assert with_a["ours"] > 1500 > with_b["ours"]


def test_contestants_that_share_a_set_stand_in_one_table(two_sets: Path) -> None:
    """`late` lacks a set of the others: its table has all of them, and all of their matches, as ever."""
    for dataset in ("toy", "hard"):
        rank(two_sets, dataset, "x", (0, 1, 2))
        rank(two_sets, dataset, "y", (2, 3))
    rank(two_sets, "toy", "late", (3, 4, 5))
    record = both(two_sets)
    (table,) = record.overall.tables
    assert names(table) == ["late", "x", "y"]
    assert (table.matches, table.datasets) == (24, ["hard", "toy"])


def test_a_part_of_the_queries_is_a_set_of_its_own(two_sets: Path) -> None:
    """Runs with other --limit or --seed met a third contestant on other queries of the same dataset."""
    rank(two_sets, "toy", "all", (0, 4))
    rank(two_sets, "toy", "head", (0, 1), range(3))
    rank(two_sets, "toy", "tail", (3, 4), range(3, 6))
    record = both(two_sets)
    assert [names(table) for table in record.overall.tables] == [["all", "head"], ["all", "tail"]]
    assert [names(table) for table in record.by_dataset["toy"].tables] == [["all", "head"], ["all", "tail"]]


def test_contestants_without_a_common_query_are_told_so(two_sets: Path) -> None:
    """Not that verdicts are still to come."""
    rank(two_sets, "toy", "head", (0, 1), range(3))
    rank(two_sets, "toy", "tail", (3, 4), range(3, 6))
    assert "no two contestants were given the same query" in sentence(arena(two_sets))


def test_a_sample_of_matches_splits_nothing_that_it_connects(toy: Path) -> None:
    """All were given the same queries: eight of eighteen matches are enough for one scale."""
    assert arena(toy, "--matches", "8").exit_code == 0
    (table,) = read(toy, "qrels").overall.tables
    assert names(table) == ["best", "half", "worst"]


def _given(draw: random.Random) -> dict[tuple[str, str], frozenset[str]]:
    return {("toy", f"q{n}"): frozenset(draw.sample("abcdef", draw.randint(2, 5))) for n in range(draw.randint(1, 7))}


@pytest.mark.parametrize("seed", range(40))
def test_groups_are_the_largest_sets_of_contestants_that_one_query_was_given_to(seed: int) -> None:
    """With all matches judged, by enumeration; a match counts wherever all that were given its query are rated."""
    draw = random.Random(seed)
    given = _given(draw)
    outcomes = [
        Outcome((*query, a, b), draw.choice(["a", "b", "tie"]))
        for query, contestants in given.items()
        for a, b in combinations(sorted(contestants), 2)
    ]
    groups = rating_groups(outcomes, given)
    every = set(given.values())
    assert {group.contestants for group in groups} == {
        each for each in every if not any(each < other for other in every)
    }
    for group in groups:
        assert group.outcomes == [each for each in outcomes if given[each.key[:2]] <= group.contestants]
    assert [len(group.contestants) for group in groups] == sorted((len(g.contestants) for g in groups), reverse=True)


def test_one_group_is_rated_as_if_there_were_no_groups() -> None:
    """To the last bit, with sequential Elo and intervals: its matches are all matches, in their order."""
    draw = random.Random(1)
    given = {("toy", f"q{n}"): frozenset("abc") for n in range(30)}
    outcomes = [
        Outcome((*query, a, b), draw.choice(["a", "b", "tie"])) for query in given for a, b in combinations("abc", 2)
    ]
    draw.shuffle(outcomes)
    (group,) = rating_groups(outcomes, given)
    assert group.outcomes == outcomes
    assert standings(group.outcomes, 0, 100) == standings(outcomes, 0, 100)


def test_the_console_shows_a_table_per_group_and_says_why(two_sets: Path) -> None:
    """One sentence before the tables; each names its sets and has its own ranks and matrix."""
    write_one_artefact_twice(two_sets)
    told = arena(two_sets, "--data", str(two_sets / "hard")).stdout
    assert "these contestants did not all meet on the same queries, so they are rated in 2 groups" in told
    lines = told.splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("group ")]
    assert [lines[n].partition(":")[0] for n in starts] == ["group 1, rated on toy", "group 2, rated on hard"]
    assert lines[starts[0] + 2].split()[:2] == ["1", "ours-a"]
    assert lines[starts[1] + 2].split()[:2] == ["1", "bm25"]
    assert told.count("row versus column: wins-losses-ties") == 2


def _report(root: Path) -> Path:
    made = CliRunner().invoke(main, ["report", "--results", str(root / "results"), "--out", str(root / "site")])
    assert made.exit_code == 0, made.output
    return root / "site"


def _arena_alone(root: Path) -> None:
    """Leave only the arena of the results: the report needs nothing else."""
    assert both(root).overall.apart
    for file in (root / "results" / "accuracy").rglob("*.jsonl"):
        file.unlink()


def test_the_page_has_a_table_per_group_and_no_rank_over_both(two_sets: Path) -> None:
    """Leaderboard, contestant and comparison: a rating always stands beside those of its own group."""
    write_one_artefact_twice(two_sets)
    _arena_alone(two_sets)
    site = _report(two_sets)
    front = tables(site / "index.html")
    assert list(front["leaderboard"]) == ["ours-a", "bm25"]
    assert list(front["leaderboard-2"]) == ["bm25", "ours-b"]
    assert [row["rank"].text for row in front["leaderboard-2"].values()] == ["1", "2"]
    assert "did not all meet on the same queries, so they are rated in 2 groups" in (site / "index.html").read_text()
    page = (site / "contestants" / "bm25.html").read_text()
    assert "Rank 2 of 2 in the group that was rated on toy" in page
    assert "rank 1 of 2 in the group that was rated on hard" in page
    rows = tables(site / "contestants" / "bm25.html")["arena"]
    assert {"qrels/all/group-1", "qrels/all/group-2"} <= set(rows)
    apart = tables(site / "compare" / "ours-a--ours-b.html")["arena"]["qrels/all"]
    assert (apart["elo_a"].value, apart["elo_b"].value) == (None, None)
    assert apart["elo_a"].reason == "they never met on the same queries, so their ratings cannot be compared"
    together = tables(site / "compare" / "bm25--ours-a.html")["arena"]["qrels/all"]
    assert together["elo_b"].value == pytest.approx(ratings(read(two_sets, "qrels").overall.tables[0])["ours-a"])


def _as_format_1(root: Path) -> Path:
    """The record as the version before wrote it: one scale for all, and a win rate in which ties were losses."""
    file = root / "results" / "arena" / "qrels.json"
    record = json.loads(file.read_text())
    record |= {"format": 1}
    del record["left_out"]
    whole = record["overall"]
    whole["standings"] = [at for table in whole["apart"] for at in table["standings"] if at["contestant"] != "bm25"]
    whole["standings"].append(whole["apart"][0]["standings"][0])
    whole["groups"] = [["bm25", "ours-a", "ours-b"]]
    for of in (whole, *record["by_dataset"].values()):
        del of["apart"], of["datasets"]
        for at in of["standings"]:
            at["win_rate"] = at.pop("win_rate_tie_half", None) or {"value": 0.5, "low": 0.4, "high": 0.6}
    file.write_text(json.dumps(record))
    return file


def test_an_older_record_with_one_scale_for_all_is_read_by_dataset(two_sets: Path) -> None:
    """Where all contestants stood on one scale without a set in common, the tables of the sets take its place."""
    write_one_artefact_twice(two_sets)
    _arena_alone(two_sets)
    record = record_reader.read(_as_format_1(two_sets))
    assert record.overall.tables == list(record.by_dataset.values())
    assert [names(table) for table in record.overall.tables] == [["bm25", "ours-b"], ["bm25", "ours-a"]]
    win_rate = tables(_report(two_sets) / "index.html")["leaderboard"]["bm25"]["win_rate"]
    assert (win_rate.text, win_rate.value) == ("\N{EN DASH}", None)
    assert "older version, which counted ties otherwise" in win_rate.reason


def test_a_record_of_a_later_version_is_refused_by_name(toy: Path) -> None:
    """Its fields may mean something else."""
    arena(toy)
    file = toy / "results" / "arena" / "qrels.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(DataError, match=r"qrels\.json has format 3, but this version reads formats up to 2"):
        record_reader.read(file)
