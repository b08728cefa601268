"""What the report finds in a results folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.errors import DataError
from bench.report.collect import collect
from tests.support.report_results import tables


@pytest.fixture
def copy(results: Path, tmp_path: Path) -> Path:
    return shutil.copytree(results, tmp_path / "copy")


def test_a_record_is_enough(copy: Path) -> None:
    """The raw rankings may be left out of a folder that is kept; the candidates are nobody's record."""
    whole = collect(copy).accuracy
    for raw in copy.glob("accuracy/*/*.jsonl"):
        raw.unlink()
    assert collect(copy).accuracy == whole
    assert all("bm25" in there for there in whole.values())


def test_rankings_without_a_record_are_a_run_that_did_not_end(copy: Path) -> None:
    """A page of a part would be taken for the whole."""
    record = next(copy.glob("accuracy/*/bm25.json"))
    record.unlink()
    with pytest.raises(DataError, match=r"bm25.jsonl has no .json record: the run did not finish"):
        collect(copy)


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
