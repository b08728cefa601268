"""Judgements: what is a header, a comment, a grade; what cannot be used, and where qrels lie by mistake."""

import bz2
import codecs
import gzip
import lzma
import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from bench.accuracy import measures
from bench.cli import main
from bench.data import datasets
from bench.data.rows import GREATEST_GRADE, to_grade
from bench.errors import DataError

WriteBeir = Callable[..., Path]
SMALL = {"q1": {"d1": 1}, "q2": {"d2": 2}}


def _check(folder: Path) -> Result:
    return CliRunner().invoke(main, ["data", "check", str(folder)])


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\td1\t1.0\nq2\td2\t2\n",
        "q1\td1\t1.000\nq2\td2\t2.\n",
        "q1 0 d1 1.0\nq2 0 d2 2e0\n",
        "q1\td1\t+1\nq2\td2\t02\n",
        "\ufeffq1\td1\t1.0\r\n\r\n \t\r\nq2\td2\t2.0\r\n",
        "# made by hand\nquery\tdocument\tgrade\n# and checked\nq1\td1\t1\nq2\td2\t2\n",
        "qid\t0\tdocno\trel\nq1\t0\td1\t1.0\nq2\t0\td2\t2.0\n",
        "q1 0\td1 1\nq2\t0 d2 2\n",
        "q1\td1\t1\rq2\td2\t2\r",
    ],
    ids=[
        "float-first",
        "decimals",
        "trec-floats",
        "signs",
        "bom-crlf-blank",
        "comments",
        "other-header",
        "mixed",
        "mac",
    ],
)
def test_a_judgement_is_read_in_every_notation(beir: WriteBeir, qrels: str) -> None:
    """A whole float is a grade on the first line too; only what cannot be a judgement is a header or a comment."""
    assert datasets.load(beir(qrels=qrels)).qrels == SMALL


@pytest.mark.parametrize("grade", ["high", "", "nan", "inf", "1.5", "1_0", "0x1", "0.99999999999999999999", "1,0"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_grade_is_named_on_the_first_line_too(beir: WriteBeir, grade: str, place: int) -> None:
    """A line that begins with a query's id is no header: it is not dropped without a word."""
    lines = ["q2\td2\t1", "q2\td1\t1"]
    lines[place] = f"q1\td1\t{grade}"
    with pytest.raises(DataError, match=rf"test\.tsv line {place + 1}: the grade '{grade}' is not a whole number$"):
        datasets.load(beir(qrels="\n".join(lines)))


@pytest.mark.parametrize(
    "grade", ["10001", "400000000", "9223372036854775807", "9223372036854775808", "9" * 20, "9" * 5000, "1e999999999"]
)
def test_a_grade_above_the_bound_is_named(beir: WriteBeir, grade: str) -> None:
    """It would end in a crash, in gigabytes or in measures of 0; below the bound trec_eval is right."""
    with pytest.raises(DataError, match=r"test\.tsv line 2: the grade '.{1,50} is outside -10,000 to 10,000"):
        datasets.load(beir(qrels=f"q1\td1\t1\nq2\td2\t{grade}\n"))


def test_at_the_bound_the_measures_are_still_right(beir: WriteBeir) -> None:
    """nDCG with the highest grade allowed is that of the formula."""
    dataset = datasets.load(
        beir(qrels=f"q1\td1\t{GREATEST_GRADE}\nq1\td2\t1\nq2\td1\t-{GREATEST_GRADE}.0\nq2\td2\t7\n")
    )
    values = measures.per_query(dataset.qrels, {"q1": ["d2", "d1"], "q2": ["d1", "d2"]}, 1)["nDCG@10"]
    best = GREATEST_GRADE + 1 / math.log2(3)
    assert values == pytest.approx(
        {"q1": (1 + GREATEST_GRADE / math.log2(3)) / best, "q2": 1 / math.log2(3)}, abs=1e-12
    )


@pytest.mark.parametrize(
    ("column", "grades"),
    [
        (pa.int64(), [1, 2]),
        (pa.uint64(), [1, 2]),
        (pa.float32(), [1.0, 2.0]),
        (pa.string(), ["1", "2.0"]),
        (pa.decimal128(5, 2), [Decimal("1.00"), Decimal(2)]),
    ],
    ids=str,
)
def test_parquet_grades_of_every_type_are_read(beir: WriteBeir, column: pa.DataType, grades: list[Any]) -> None:
    """A whole number is a grade whatever the type of its column."""
    assert datasets.load(_with_parquet(beir, column, grades)).qrels == SMALL


def test_parquet_booleans_are_0_and_1(beir: WriteBeir) -> None:
    """True is relevant, False is not."""
    assert datasets.load(_with_parquet(beir, pa.bool_(), [True, False])).qrels == {"q1": {"d1": 1}, "q2": {"d2": 0}}


@pytest.mark.parametrize(
    ("column", "grade", "sentence"),
    [
        (pa.uint64(), 2**64 - 1, "the grade 18446744073709551615 is outside"),
        (pa.int64(), 400_000_000, "the grade 400000000 is outside"),
        (pa.float64(), 1e300, r"the grade 1e\+300 is outside"),
        (pa.float64(), math.nan, "the grade nan is not a whole number"),
        (pa.string(), "high", "the grade 'high' is not a whole number"),
        (pa.decimal128(5, 2), Decimal("0.50"), "the grade 0.50 is not a whole number"),
        (pa.list_(pa.int64()), [1], r"the grade \[1\] is not a whole number"),
        (pa.int64(), None, "the grade None is not a whole number"),
    ],
)
def test_parquet_grades_that_cannot_be_used_are_named(
    beir: WriteBeir, column: pa.DataType, grade: Any, sentence: str
) -> None:
    """One sentence with the row, no overflow and no gigabytes."""
    with pytest.raises(DataError, match=rf"test\.parquet row 1: {sentence}"):
        datasets.load(_with_parquet(beir, column, [grade, grade]))


def _with_parquet(beir: WriteBeir, column: pa.DataType, grades: list[Any]) -> Path:
    folder = beir()
    (folder / "qrels" / "test.tsv").unlink()
    table = pa.table({"query-id": ["q1", "q2"], "corpus-id": ["d1", "d2"], "score": pa.array(grades, column)})
    pq.write_table(table, folder / "qrels" / "test.parquet")
    return folder


def test_grades_are_exact() -> None:
    """No rounding turns a fraction into a whole number."""
    assert (to_grade("-2"), to_grade(" 3.0 "), to_grade(True), to_grade("1E2")) == (-2, 3, 1, 100)
    for fraction in ("1.00000000000000000000001", 0.1 + 0.2, "1e-400"):
        with pytest.raises(ValueError, match="is not a whole number"):
            to_grade(fraction)


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (gzip.compress, "is compressed with gzip: decompress it with `gunzip`"),
        (bz2.compress, "is compressed with bzip2"),
        (lzma.compress, "is compressed with xz"),
        (lambda content: pa.compress(content, codec="zstd", asbytes=True), "is compressed with Zstandard"),
        (lambda content: content.decode().encode("utf-16"), "is in UTF-16"),
        (lambda content: codecs.BOM_UTF16_BE + content.decode().encode("utf-16-be"), "is in UTF-16"),
        (lambda content: content.decode().encode("utf-16-le"), "is in UTF-16"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7\nsize 9\n", "is a pointer of Git LFS"),
        (lambda _: b"\n<!DOCTYPE html>\n<title>404</title>", "is an HTML page"),
        (lambda _: b"PK\x03\x04rest", "is a ZIP archive"),
    ],
)
@pytest.mark.parametrize("part", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_file_in_another_form_is_one_finding(
    beir: WriteBeir, part: str, encode: Callable[[bytes], bytes], words: str
) -> None:
    """Not as many unreadable lines as it has, and nothing that follows from it: not "is empty", not another set's."""
    folder = beir()
    (folder / part).write_bytes(encode((folder / part).read_bytes()))
    result = _check(folder)
    assert result.exit_code == 1
    assert result.stdout.count("ERROR") == 1
    assert f", first: {folder / part} {words}" in result.stdout
    with pytest.raises(DataError, match=words):
        datasets.load(folder)


@pytest.mark.parametrize(
    ("lies_at", "words"),
    [
        ("qrels/test.tsv.gz", "decompress it"),
        ("qrels/test.tsv.zst", "decompress it"),
        ("test.tsv", "the judgements are expected in {folder}/qrels/test.tsv"),
        ("qrels.tsv", "the judgements are expected in {folder}/qrels/test.tsv"),
        ("qrels.test.txt", "the judgements are expected in {folder}/qrels/test.tsv"),
        ("qrels/qrels.tsv.bz2", "decompress it; the judgements are expected in {folder}/qrels/test.tsv"),
        ("qrels/test.csv", "the judgements are expected in {folder}/qrels/test.tsv, tab-separated"),
        ("data/test.tsv", "the judgements are expected in {folder}/qrels/test.tsv"),
    ],
)
def test_misplaced_and_compressed_qrels_are_found(beir: WriteBeir, lies_at: str, words: str) -> None:
    """The sentence names the file that is there and what to do with it."""
    folder = beir()
    target = folder / lies_at
    target.parent.mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").rename(target)
    result = _check(folder)
    assert result.exit_code == 1
    assert "test.tsv does not exist; available splits: " in result.stderr
    assert f"there is {target}" in result.stderr
    assert words.format(folder=folder) in result.stderr


def test_other_splits_are_offered(beir: WriteBeir) -> None:
    """Only a development split: the flag that chooses it is named."""
    assert "available splits: dev (choose one with --split)" in _check(beir(split="dev")).stderr


@pytest.mark.parametrize("part", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_folder_in_a_files_place_and_a_compressed_text_file_are_named(beir: WriteBeir, part: str) -> None:
    """Neither is "not there"."""
    folder = beir()
    (folder / part).rename(folder / f"{part}.gz")
    assert f"there is {folder / part}.gz: decompress it" in _check(folder).stderr
    (folder / f"{part}.gz").unlink()
    (folder / part).mkdir()
    assert f"{folder / part} is a folder, not a file" in _check(folder).stderr


def test_a_name_that_no_file_can_have_is_one_sentence() -> None:
    """The file system's refusal is told, without a trace."""
    result = _check(Path("x" * 300))
    assert result.exit_code == 1
    assert result.stderr.endswith("cannot be read: File name too long\n")


def test_remarks_are_told_and_change_no_result(beir: WriteBeir) -> None:
    """Identical documents, repeated judgements and a relevant document with its query's id: told by the check only."""
    corpus = "".join(f'{{"_id": "{i}", "text": "{text}"}}\n' for i, text in [("d1", "x"), ("q1", "x"), ("d2", "y")])
    folder = beir(corpus=corpus, qrels="q1\tq1\t1\nq1\tq1\t1.0\nq1\td1\t0\nq2\td2\t1\n")
    result = _check(folder)
    assert result.exit_code == 0, result.stderr
    for remark in (
        r"1 documents? with the text of an earlier one: no reranker can tell 'q1' from 'd1'",
        r"1 judgements? that repeats? an earlier one: counted once",
        r"1 relevant documents? with the id of (their|its) query: kept among the candidates",
    ):
        assert re.search(rf"  note: {remark}", result.stdout)
    assert "no problems found" not in result.stdout
    assert datasets.load(folder).note().doubts == []


def test_the_check_reads_the_datasets_own_run_too(beir: WriteBeir) -> None:
    """A score that is not a number is an error; ranks that contradict the scores are told."""
    folder = beir()
    (folder / "runs").mkdir()
    run = folder / "runs" / "BM25.trec"
    run.write_text("q1 Q0 d1 1 0.5 x\nq1 Q0 d2 2 0.9 x\nq2 Q0 d2 1 0.9 x\nq2 Q0 d1 2 0.9 x\n", encoding="utf-8")
    told = "the ranks contradict the scores of 1 of 2 queries: the scores decide"
    assert f"  note: in runs/BM25.trec {told}" in _check(folder).stdout
    compressed = run.rename(run.with_name("BM25.trec.gz"))
    assert f"  note: there is {compressed}: decompress it" in _check(folder).stdout
    run.write_text("q1 Q0 d1 1 nan x\n", encoding="utf-8")
    result = _check(folder)
    assert result.exit_code == 1
    assert "BM25.trec line 1: rank 1 and score nan must be numbers" in result.stderr
