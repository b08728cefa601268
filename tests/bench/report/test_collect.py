"""What the report finds in a results folder."""

import shutil
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.report.collect import collect


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
