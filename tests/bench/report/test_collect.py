"""What the report finds in a results folder, and how little one damaged file takes with it."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.errors import DataError
from bench.left_out import LeftOut
from bench.report.collect import collect
from tests.support.report_results import tables


@pytest.fixture
def copy(results: Path, tmp_path: Path) -> Path:
    return shutil.copytree(results, tmp_path / "copy")


def test_a_record_is_enough(copy: Path) -> None:
    """The raw rankings may be left out of a folder that is kept; the candidates are nobody's record."""
    whole = collect(copy, LeftOut()).accuracy
    for raw in copy.glob("accuracy/*/*.jsonl"):
        raw.unlink()
    assert collect(copy, LeftOut()).accuracy == whole
    assert all("bm25" in there for there in whole.values())


def test_a_measure_at_two_levels_has_two_columns(beir: Callable[..., Path], tmp_path: Path) -> None:
    """Grades up to 3 count from 2; recall from grade 1, asked for by name, does not take that column's place."""
    folder, results = beir(qrels="q1\td1\t3\nq1\td2\t1\nq2\td2\t2\n"), tmp_path / "results"
    (folder / "runs").mkdir()
    (folder / "runs" / "BM25.trec").write_text("q1 Q0 d1 1 1 x\nq2 Q0 d2 1 1 x\n", encoding="utf-8")
    run = ["run", "--contestant", "bm25", "--data", str(folder), "--measure", "R(rel=1)@5", "--results", str(results)]
    assert CliRunner().invoke(main, run).exit_code == 0
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["report", "--results", str(results), "--out", str(out)]).exit_code == 0
    (row,) = tables(out / "contestants" / "bm25.html")["accuracy"].values()
    assert (row["R(rel=2)@5"].value, row["R@5"].value, row["R@10"].value) == (1.0, 0.75, 1.0)


def _changed(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Return a way to spoil a JSON file that can still be decoded."""

    def spoil(file: Path) -> None:
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))

    return spoil


def _cut(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _without_a_column(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["busy"]), file)


def _without_rows(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.slice(0, 5), file)


def _second(file: Path) -> None:
    shutil.copy(file, file.with_name("zz.json"))


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "half a record": ("accuracy/toy/poor.json", _cut, "poor.json is not a bench record"),
    "an empty file": ("accuracy/toy/poor.json", lambda file: file.write_bytes(b""), "poor.json is not a bench record"),
    "another record": ("accuracy/toy/poor.json", lambda file: file.write_text("{}"), "poor.json is not a bench record"),
    "no text": ("accuracy/toy/poor.json", lambda file: file.write_bytes(b'{"\xff": 1}'), "is not a bench record"),
    "a bracket too deep": ("accuracy/toy/poor.json", lambda file: file.write_text("[" * 99_999), "not a bench record"),
    "a folder": ("accuracy/toy/poor.json", _folder, "poor.json: Is a directory"),
    "no measures": (
        "accuracy/toy/poor.json",
        _changed(lambda record: record["measures"].clear()),
        "poor.json is not a whole record: it lacks nDCG@10",
    ),
    "no values": (
        "accuracy/toy/poor.json",
        _changed(lambda record: record["per_query"]["nDCG@10"].clear()),
        "poor.json is not a whole record",
    ),
    "an unfinished run": ("accuracy/toy/poor.json", Path.unlink, "poor.jsonl has no .json record"),
    "a second record": ("accuracy/toy/poor.json", _second, "zz.json is a second record of poor"),
    "an arena": ("arena/qrels.json", _cut, "qrels.json is not a bench record"),
    "a later arena": (
        "arena/qrels.json",
        _changed(lambda record: record.update(format=99)),
        "qrels.json has format 99",
    ),
    "a latency record": ("latency/poor.json", _cut, "poor.json is not a bench record"),
    "half of the samples": ("latency/poor.parquet", _cut, "poor.parquet does not contain a latency profile"),
    "no samples": ("latency/poor.parquet", Path.unlink, "poor.parquet does not exist"),
    "a column too few": ("latency/poor.parquet", _without_a_column, "it lacks the columns busy"),
    "rows too few": ("latency/poor.parquet", _without_rows, "poor.json has figures of other samples"),
    "figures of others": ("published.json", _cut, "published.json is not a bench record"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_one_damaged_file_takes_no_other_with_it(copy: Path, kind: str) -> None:
    """It is named with its cause, and all other records are there."""
    file, spoil, why = DAMAGE[kind]
    whole = collect(copy, LeftOut())
    spoil(copy / file)
    told: list[str] = []
    left = collect(copy, LeftOut(told.append))
    assert left.left_out == told
    assert len(told) == 1
    assert why in told[0]
    assert left.contestants == whole.contestants
    assert left.of("good") == whole.of("good")
    assert [each.record for each in left.profiles_of("good")] == [each.record for each in whole.profiles_of("good")]
    assert bool(left.arenas) == ("arena" not in kind)
    assert bool(left.published) == (kind != "figures of others")


def test_damaged_files_are_named_and_the_rest_is_drawn(copy: Path, site: Path, tmp_path: Path) -> None:
    """On stderr and on the first page, each with its own cause; the exit code is 1, other figures are as before."""
    spoilt = ("half a record", "another record", "an arena", "rows too few", "figures of others")
    for kind, file in zip(spoilt, ("toy/poor", "toy/bm25", "", "", ""), strict=True):
        usual, spoil, _ = DAMAGE[kind]
        spoil(copy / (f"accuracy/{file}.json" if file else usual))
    made = CliRunner().invoke(main, ["report", "--results", str(copy), "--out", str(tmp_path / "site")])
    assert made.exit_code == 1
    assert isinstance(made.exception, SystemExit), made.exception
    told = [line.removeprefix("left out: ") for line in made.stderr.splitlines() if line.startswith("left out: ")]
    assert len(told) == len(spoilt)
    assert made.stderr.splitlines()[-1].startswith("Error: the report was written without the files")
    page = tmp_path / "site" / "index.html"
    assert all(sentence in html.unescape(page.read_text()) for sentence in told)
    before, now = (tables(each) for each in (site / "index.html", page))
    assert now["accuracy"]["good"] == before["accuracy"]["good"]
    assert now["leaderboard"]["good"]["p50"] == before["leaderboard"]["good"]["p50"]
    assert now["accuracy"]["bm25"]["toy"].reason == "not measured on this dataset"


def test_nothing_but_damage_is_an_error_with_the_first_cause(copy: Path, tmp_path: Path) -> None:
    """There is no report of nothing."""
    for folder in ("accuracy", "latency"):
        shutil.rmtree(copy / folder)
    _cut(copy / "arena" / "qrels.json")
    with pytest.raises(DataError, match=r"qrels\.json is not a bench record"):
        collect(copy, LeftOut())
