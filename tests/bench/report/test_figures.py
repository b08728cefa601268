"""Every figure of the site against the same figure recomputed from the raw files, by other means than the bench's.

nDCG and recall by their formulas, ratings by maximising Bradley-Terry's likelihood with scipy, wins from the rankings
themselves, percentiles from the Parquet columns by the standard library.
"""

import itertools
import math
import re
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.support.report_figures import NAMES, SETS, by_point, ndcg, ndcgs, points_of, qrels, rankings, recall
from tests.support.report_results import PUBLISHED, Seen, tables


def equal(cell: Seen, expected: float) -> None:
    assert cell.value == pytest.approx(expected, abs=1e-9)
    if cell.low is not None:
        assert cell.high is not None
        assert cell.low <= expected + 1e-9
        assert expected - 1e-9 <= cell.high


def outcomes(results: Path, dataset: str) -> dict[tuple[str, str], list[int]]:
    """Wins of the first, wins of the second, ties, from the rankings."""
    values = {name: ndcgs(results, dataset, name) for name in ("bm25", "good", "poor")}
    found = {}
    for a, b in itertools.combinations(values, 2):
        pairs = [(values[a][query], values[b][query]) for query in values[a]]
        found[a, b] = [sum(x > y for x, y in pairs), sum(x < y for x, y in pairs), sum(x == y for x, y in pairs)]
    return found


def test_accuracy_is_that_of_the_rankings(site: Path, results: Path) -> None:
    """nDCG@10 and recall of every contestant on every dataset, on its own page and on the first; a failure counts 0."""
    front = tables(site / "index.html")["accuracy"]
    for name, dataset in itertools.product(NAMES, SETS):
        own = tables(site / "contestants" / f"{name}.html")["accuracy"][dataset]
        judged, there = qrels(results, dataset), rankings(results, dataset, name)
        expected = statistics.fmean(ndcgs(results, dataset, name).values())
        equal(own["nDCG@10"], expected)
        equal(front[name][dataset], expected)
        equal(own["nDCG@5"], statistics.fmean(ndcg(there.get(q, []), of, 5) for q, of in judged.items()))
        equal(own["R@10"], statistics.fmean(recall(there.get(q, []), of) for q, of in judged.items()))
        equal(own["first_stage"], statistics.fmean(ndcgs(results, dataset, "bm25").values()))
        equal(own["failures"], len(judged) - len(there))
    assert tables(site / "contestants" / "poor.html")["accuracy"]["sample"]["failures"].text == "1"


def test_the_mean_weighs_datasets_the_same(site: Path, results: Path) -> None:
    """And it stands only with whom every dataset was measured."""
    board = tables(site / "index.html")["leaderboard"]
    for name in NAMES:
        means = [statistics.fmean(ndcgs(results, dataset, name).values()) for dataset in SETS]
        equal(board[name]["ndcg10"], statistics.fmean(means))
    assert board["partial"]["ndcg10"].text == "–"
    assert board["partial"]["ndcg10"].reason.startswith("not measured on toy")


def test_wins_and_ratings_are_those_of_the_rankings(site: Path, results: Path) -> None:
    """Wins by comparing nDCG query by query; the rating by maximum likelihood, ties as half a win for each."""
    met = [outcomes(results, dataset) for dataset in SETS]
    summed = {pair: np.sum([each[pair] for each in met], axis=0) for pair in met[0]}
    names = ("bm25", "good", "poor")
    points = {pair: (won + tied / 2, lost + tied / 2) for pair, (won, lost, tied) in summed.items()}

    def loss(ratings: Any) -> float:
        total = 1e-9 * float(np.sum(ratings**2))
        for (a, b), (for_a, for_b) in points.items():
            gap = (ratings[names.index(a)] - ratings[names.index(b)]) * math.log(10) / 400
            total += for_a * math.log1p(math.exp(-gap)) + for_b * math.log1p(math.exp(gap))
        return total

    fitted = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
    board = tables(site / "index.html")["leaderboard"]
    for place, name in enumerate(names):
        wins = sum(of[pair.index(name)] for pair, of in summed.items() if name in pair)
        losses = sum(of[1 - pair.index(name)] for pair, of in summed.items() if name in pair)
        ties = sum(of[2] for pair, of in summed.items() if name in pair)
        row = board[name]
        assert [row[key].value for key in ("wins", "losses", "ties")] == [wins, losses, ties]
        equal(row["win_rate"], round((wins + ties / 2) / (wins + losses + ties), 6))
        assert row["elo"].value == pytest.approx(1500 + fitted[place] - fitted.mean(), abs=0.5)
        arena = tables(site / "contestants" / f"{name}.html")["arena"]
        assert arena["qrels/all"]["elo"] == replace(row["elo"], group="")
        for dataset, each in zip(SETS, met, strict=True):
            won = sum(of[pair.index(name)] for pair, of in each.items() if name in pair)
            assert arena[f"qrels/{dataset}"]["wins"].value == won
    by_rating = sorted(names, key=lambda name: -(board[name]["elo"].value or 0))
    assert [name for name in board if name in names] == by_rating
    assert [cell["rank"].text for cell in board.values()] == [str(place) for place in range(1, 7)]


def test_latencies_are_those_of_the_samples(site: Path, results: Path) -> None:
    """Planned to last byte, of successes, by the standard library; on the latency page and the contestants' own."""
    shown = by_point(tables(site / "latency.html")["latency"])
    board = tables(site / "index.html")["leaderboard"]
    errors = 0
    for profile, name in (("good", "good"), ("poor", "poor"), ("rates", "only")):
        own = by_point(tables(site / "contestants" / f"{name}.html")["latency"])
        for point, rows in points_of(results, profile):
            open_loop = f"open, {point['rate_per_s'] or 0:g}/s poisson"
            load = "closed, concurrency 1" if point["loop"] == "closed" else open_loop
            row = shown[profile, point["documents"], load]
            good = [(at["sent_us"] + at["done_us"]) / 1000 for at in rows if at["error"] is None]
            errors += len(rows) - len(good)
            equal(row["requests"], len(rows))
            equal(row["errors"], 1 - len(good) / len(rows))
            if row["p50"].value is None:
                assert "sent too late" in row["p50"].reason  # only an open loop, on a loaded machine
                assert point["loop"] == "open"
                continue
            ranks = statistics.quantiles(good, n=100, method="inclusive")
            for key, expected in (("p50", ranks[49]), ("p90", ranks[89]), ("p99", ranks[98])):
                assert row[key].value == pytest.approx(expected, abs=1e-6)
            assert row["mean"].value == pytest.approx(statistics.fmean(good), abs=1e-6)
            assert own[profile, point["documents"], load] == row
            if point["documents"] == 5:
                for key in ("p50", "p90"):
                    assert replace(board[name][key], group="") == row[key]
    assert errors == 1


def test_two_are_compared_query_by_query(site: Path, results: Path) -> None:
    """Mean difference, and on how many queries each is better."""
    page = tables(site / "compare" / "good--poor.html")
    for dataset in SETS:
        good, poor = (ndcgs(results, dataset, name) for name in ("good", "poor"))
        row = page["accuracy"][dataset]
        gaps = [good[query] - poor[query] for query in good]
        equal(row["difference"], statistics.fmean(gaps))
        counts = [sum(gap > 1e-9 for gap in gaps), sum(gap < -1e-9 for gap in gaps), len(gaps)]
        assert [row[key].value for key in ("better", "worse", "queries")] == counts
        won, lost, tied = outcomes(results, dataset)["good", "poor"]
        met = page["arena"][f"qrels/{dataset}"]
        assert [met[key].value for key in ("wins_a", "wins_b", "ties")] == [won, lost, tied]
    p50s = [row for key, row in page["ratios"].items() if key.endswith("/P50")]
    assert len(p50s) == 2
    for row in p50s:
        equal(row["ratio"], (row["b"].value or 0) / (row["a"].value or 1))


def test_the_head_of_every_win_rate_says_what_a_tie_is(site: Path) -> None:
    """Wherever it is shown, so that nobody need look for the definition; a published rate is as published."""
    heads = {
        (page.name, head)
        for page in site.rglob("*.html")
        for head in re.findall(r"<th [^>]*win_rate[^>]*>(.*?)</th>", page.read_text())
    }
    own = {name for name, head in heads if head == "win % (tie = \N{VULGAR FRACTION ONE HALF})"}
    assert {"index.html", "good.html", "poor.html", "bm25.html"} <= own
    assert {head for _, head in heads} == {"win % (tie = \N{VULGAR FRACTION ONE HALF})", "win %, as published"}


def test_others_figures_stand_apart(site: Path) -> None:
    """In columns that say so, with their values as published; nothing of ours is among them."""
    board = tables(site / "index.html")["leaderboard"]["good"]
    published = {key: cell for key, cell in board.items() if key.startswith("published-")}
    assert {cell.group for cell in published.values()} == {"published by others, other definition"}
    assert {key: cell.value for key, cell in published.items()} == {"published-elo": 1499, "published-win_rate": 0.25}
    assert "published by others, other definition" not in {board[key].group for key in board if key not in published}
    own = tables(site / "contestants" / "good.html")["published"]
    listed = {(row["dataset"].text, row["figure"].text, row["value"].value) for row in own.values()}
    expected = [line.split(",") for line in PUBLISHED.splitlines()[1:]]
    assert listed == {(dataset or "overall", figure, float(value)) for _, dataset, figure, value in expected}


def every_cell(site: Path) -> Iterator[tuple[str, Seen]]:
    for page in sorted(site.rglob("*.html")):
        for table, rows in tables(page).items():
            for row, cells in rows.items():
                for column, cell in cells.items():
                    yield f"{page.name} {table} {row} {column}", cell


def test_what_is_missing_says_why(site: Path) -> None:
    """A dash, a letter and a reason; never a value, and never a 0 in its place."""
    cells = dict(every_cell(site))
    dashes = {where: cell for where, cell in cells.items() if cell.text == "–" and cell.letter}
    assert all(cell.value is None and cell.reason for cell in dashes.values())
    assert cells["index.html leaderboard only ndcg10"].reason == "its accuracy was not measured"
    assert cells["index.html leaderboard oracle elo"].reason == "it played no match in the arena"
    assert cells["index.html leaderboard bm25 p50"].reason == "its latency was not measured"
    assert cells["index.html leaderboard only p50"].reason.startswith("not measured at sample: 5 documents")
    assert cells["index.html leaderboard good usd"].reason == "its price is not known"
    reasons = {(page.name, why) for page in site.rglob("*.html") for why in _notes(page)}
    assert ("index.html", "its accuracy was not measured") in reasons


def _notes(page: Path) -> list[str]:
    return re.findall(r"<li><sup>[a-z]+</sup> (.*?)</li>", page.read_text())


def test_every_text_is_its_value_rounded(site: Path) -> None:
    """What is read is what is sorted by, to the last digit shown."""
    figures = [(where, cell) for where, cell in every_cell(site) if cell.value is not None]
    assert len(figures) > 300
    for where, cell in figures:
        text = cell.text.replace("\u2212", "-").replace("\u202f", "").removesuffix("×").lstrip("+")
        if text == "<.001":
            assert 0 <= (cell.value or 0) < 0.0005
            continue
        shown, digits = float(text), len(text.partition(".")[2])
        column = where.rpartition(" ")[2]
        percent = column in ("win_rate", "errors", "first_wins", "same", "published-win_rate")
        exact = (cell.value or 0) * (100 if percent else 1)
        assert abs(shown - exact) <= 0.500001 * 10**-digits, (where, cell)
