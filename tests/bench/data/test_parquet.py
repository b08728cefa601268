"""Parquet as the Hugging Face hub keeps BEIR sets: the same dataset as from JSON lines, in every layout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.data import datasets
from bench.errors import DataError

Rows = list[dict[str, Any]]
BEIR = {"corpus": "corpus/corpus-00000-of-00001", "queries": "queries/queries-00000-of-00001", "qrels": "qrels/test"}
LAYOUTS = {
    "hub-beir": BEIR,
    "hub-mteb": BEIR | {"qrels": "data/test-00000-of-00001"},
    "hub-mteb-splits": {
        "corpus": "corpus/test-00000-of-00001",
        "queries": "queries/test-00000-of-00001",
        "qrels": "qrels/test-00000-of-00001",
    },
    "default-config": BEIR | {"qrels": "default/test-00000-of-00001"},
    "plain": {"corpus": "corpus", "queries": "queries", "qrels": "qrels/test"},
}


def _lines(name: str) -> Rows:
    return [json.loads(line) for line in (datasets.SAMPLE / name).read_text(encoding="utf-8").splitlines()]


def _judged() -> Rows:
    header, *lines = (datasets.SAMPLE / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    return [dict(zip(header.split("\t"), [q, d, int(g)], strict=True)) for q, d, g in (li.split("\t") for li in lines)]


def _write(folder: Path, name: str, rows: Rows) -> Path:
    file = folder / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file


def _write_all(folder: Path, layout: dict[str, str]) -> Path:
    for part, rows in [("corpus", _lines("corpus.jsonl")), ("queries", _lines("queries.jsonl")), ("qrels", _judged())]:
        _write(folder, layout[part], rows)
    return folder


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_dataset(tmp_path: Path, layout: dict[str, str]) -> None:
    """Documents, queries and judgements equal those of the JSON lines, in the same order."""
    made, sample = datasets.load(_write_all(tmp_path, layout)), datasets.load(datasets.SAMPLE)
    assert (list(made.documents.items()), list(made.queries.items())) == (
        list(sample.documents.items()),
        list(sample.queries.items()),
    )
    assert made.qrels == sample.qrels
    assert datasets.find(str(tmp_path), None) == tmp_path


def test_shards_are_read_in_order_and_other_splits_left_out(tmp_path: Path) -> None:
    """Two shards of a split are one part; the shards of `dev` beside them are not in it."""
    _write_all(tmp_path, LAYOUTS["hub-mteb-splits"])
    corpus = _lines("corpus.jsonl")
    _write(tmp_path, "corpus/test-00000-of-00002", corpus[:5])
    _write(tmp_path, "corpus/test-00001-of-00002", corpus[5:])
    (tmp_path / "corpus" / "test-00000-of-00001.parquet").unlink()
    _write(tmp_path, "corpus/dev-00000-of-00001", [{"_id": "of-dev", "title": "", "text": "x"}])
    _write(tmp_path, "qrels/dev-00000-of-00001", _judged()[:1])
    assert list(datasets.load(tmp_path).documents) == [line["_id"] for line in corpus]
    with pytest.raises(DataError, match="available splits: dev, test"):
        datasets.load(tmp_path, "train")


def test_texts_in_parquet_with_qrels_in_tsv(tmp_path: Path) -> None:
    """The hub keeps BEIR's qrels apart, as TSV: the forms may be mixed."""
    _write_all(tmp_path, LAYOUTS["hub-beir"])
    (tmp_path / "qrels" / "test.parquet").unlink()
    (tmp_path / "qrels" / "test.tsv").write_bytes((datasets.SAMPLE / "qrels" / "test.tsv").read_bytes())
    assert datasets.load(tmp_path).qrels == datasets.load(datasets.SAMPLE).qrels


def test_numbers_as_ids_and_floats_as_grades(tmp_path: Path) -> None:
    """Ids are text whatever their type, `id` stands for `_id`, a title is optional, 2.0 is the grade 2."""
    _write(tmp_path, "corpus", [{"id": 7, "text": " x "}])
    _write(tmp_path, "queries", [{"_id": "q", "text": "y"}])
    _write(tmp_path, "qrels/test", [{"query-id": "q", "corpus-id": 7, "score": 2.0}])
    dataset = datasets.load(tmp_path)
    assert (dataset.documents, dataset.qrels) == ({"7": "x"}, {"q": {"7": 2}})


def test_hash_tells_sets_apart(tmp_path: Path) -> None:
    """The hash is of the files, shards included."""
    one = datasets.load(_write_all(tmp_path, BEIR))
    _write(tmp_path, BEIR["corpus"], [*_lines("corpus.jsonl"), {"_id": "more", "title": "", "text": "x"}])
    assert datasets.load(tmp_path).sha256 != one.sha256


def _no_parquet(folder: Path) -> None:
    (folder / "corpus" / "corpus-00000-of-00001.parquet").write_bytes(b"PAR1 no")


def _no_text(folder: Path) -> None:
    _write(folder, BEIR["corpus"], [{"_id": "d", "body": "x"}])


def _null_text(folder: Path) -> None:
    _write(folder, BEIR["corpus"], [{"_id": "d", "text": "x"}, {"_id": "e", "text": None}])


def _half_grade(folder: Path) -> None:
    _write(folder, BEIR["qrels"], [{"query-id": "q1", "corpus-id": "tea-1", "score": 0.5}])


def _endless_grade(folder: Path) -> None:
    _write(folder, BEIR["qrels"], [{"query-id": "q1", "corpus-id": "tea-1", "score": float("inf")}])


def _cut_short(folder: Path) -> None:
    file = folder / "queries" / "queries-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_no_parquet, r"corpus-00000-of-00001\.parquet cannot be read as Parquet"),
        (_cut_short, r"queries-00000-of-00001\.parquet cannot be read as Parquet"),
        (_no_text, r"has no column text; its columns are _id, body"),
        (_null_text, r"corpus-00000-of-00001\.parquet row 2: the text is not a string"),
        (_half_grade, r"test\.parquet row 1: the grade 0\.5 is not a whole number"),
        (_endless_grade, r"test\.parquet row 1: the grade inf is not a whole number"),
    ],
)
def test_damage_is_one_sentence_with_its_row(tmp_path: Path, damage: Callable[[Path], None], sentence: str) -> None:
    """A file that is no Parquet, an absent column and a bad row are named."""
    damage(_write_all(tmp_path, BEIR))
    with pytest.raises(DataError, match=sentence):
        datasets.load(tmp_path)
