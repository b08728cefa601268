"""Checking a set: everything odd is counted and said, and a result carries what makes its labels doubtful."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench import tables
from bench.cli import main
from bench.data import catalogue, datasets
from bench.data.findings import Kind
from bench.errors import DataError

WriteBeir = Callable[..., Path]


def _check(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["data", "check", str(folder), *more])


def test_every_damage_is_counted(beir: WriteBeir) -> None:
    """Bad lines, duplicate ids, queries without text and contradictions: each kind with its count and first place."""
    folder = beir(
        corpus='{"_id": "d1", "text": "x"}\nno\n{"_id": "d1", "text": "x"}\n{"_id": "d1", "text": "y"}\n{"_id": 1}\n',
        queries='{"_id": "q1", "text": "x"}\n{"_id": "q2", "text": ""}\n',
        qrels="q1\td1\t1\nq1\td1\t2\nq2\td1\t1\nq3\td1\t1\nq3\td2\t1\nq1\tbad\n",
    )
    result = _check(folder)
    assert result.exit_code == 1
    assert "3 lines that cannot be read, first: " in result.stdout
    assert "corpus.jsonl line 2: " in result.stdout
    assert "2 duplicate ids, first: " in result.stdout
    assert "corpus.jsonl line 3: duplicate id 'd1'" in result.stdout
    assert "2 judged queries without text, first: " in result.stdout
    assert "test.tsv line 3: the query 'q2' has no text" in result.stdout
    assert "1 judgement that contradicts an earlier one" in result.stdout
    assert "cannot be used: 3 lines that cannot be read, 2 duplicate ids" in result.stderr


def test_loading_names_the_first_damage_and_how_many_follow(beir: WriteBeir) -> None:
    """The sentence of a failed load sends the user to the check for the rest."""
    folder = beir(corpus='{"_id": "d1", "text": "x"}\nno\nno\nno\n')
    with pytest.raises(DataError, match=r"line 2: .* \(2 more: `rerank-bench data check "):
        datasets.load(folder)


def test_doubts_are_counted_and_the_set_is_usable(beir: WriteBeir) -> None:
    """Outside the corpus, empty, negative, nothing relevant: counted, said, no error."""
    folder = beir(
        corpus='{"_id": "d1", "text": "x"}\n{"_id": "d2", "text": " "}\n',
        qrels="q1\td1\t1\nq1\tz1\t2\nq1\tz2\t0\nq2\td1\t0\nq2\td2\t-1\n",
    )
    result = _check(folder)
    assert result.exit_code == 0, result.stderr
    for doubt in (
        "2 judged documents are not in the corpus, 1 of them among the 2 relevant ones",
        "1 judgement with a negative grade: counted as not relevant",
        "1 judged query without a relevant document: scored 0 whatever the ranking",
        "1 document without text: no reranker can judge an empty text",
    ):
        assert f"  doubt: {doubt}\n" in result.stdout
    note = datasets.load(folder).note()
    assert (note.judgements_outside_corpus, note.empty_documents, len(note.doubts)) == (2, 1, 4)


def test_qrels_of_another_set_are_suspected(beir: WriteBeir) -> None:
    """Most relevant documents absent is a doubt that every result carries; all absent is an error."""
    folder = beir(qrels="q1\td1\t1\nq1\tz1\t1\nq2\tz2\t1\n")
    assert "most relevant documents (2 of 3) are not in the corpus: these may be another dataset's qrels" in (
        datasets.load(folder).note().doubts
    )
    _, findings = datasets.examine(beir(qrels="q1\tz1\t1\nq2\tz2\t1\n"))
    assert findings.count(Kind.OTHER_SET) == 1


def test_qrels_without_a_relevant_document_are_not_taken_for_another_sets(beir: WriteBeir) -> None:
    """All grades 0 or below has a count of its own: the ids are the dataset's."""
    result = _check(beir(qrels="q1\td1\t0\nq2\td2\t-1\n"))
    assert result.exit_code == 1
    assert "it has no relevant document, no grade above 0" in result.stdout
    assert "another dataset" not in result.output
    assert "cannot be used: 1 qrels file without a relevant document" in result.stderr


def test_half_of_the_relevant_absent_is_no_other_set(beir: WriteBeir) -> None:
    """Exactly half is still only counted."""
    _, findings = datasets.examine(beir(qrels="q1\td1\t1\nq1\tz1\t1\n"))
    assert (findings.count(Kind.RELEVANT_OUTSIDE), findings.count(Kind.OUTSIDE_CORPUS)) == (0, 1)


def test_clean_set_says_so(beir: WriteBeir) -> None:
    """Nothing odd is one line, with what was read."""
    result = _check(beir())
    assert result.exit_code == 0
    assert "2 documents, 2 judged queries, 2 judgements" in result.stdout
    assert "no problems found" in result.stdout


def test_catalogue_facts_reach_every_result(tmp_path: Path, beir: WriteBeir) -> None:
    """A set under the name of one whose labels no human made says so in its note and in the table's heading."""
    plain = beir()
    assert datasets.load(plain).note().human_labels is None
    folder = tmp_path / "pg-silver"
    folder.mkdir()
    for part in ("corpus.jsonl", "queries.jsonl", "qrels"):
        (plain / part).rename(folder / part)
    note = datasets.load(folder).note()
    known = catalogue.find("pg-silver")
    assert known
    assert (note.human_labels, note.labels, note.doubts) == (False, known.labels, [known.doubt])
    lines = tables.dataset_lines(note)
    assert f"  labels: {known.labels} (NOT human)" in lines
    assert f"  note: {known.doubt}" in lines


def test_check_names_the_absent_part(beir: WriteBeir) -> None:
    """A folder without queries and a split that is not there are told."""
    folder = beir()
    assert "available splits: test" in _check(folder, "--split", "dev").stderr
    (folder / "queries.jsonl").unlink()
    assert "contains no queries.jsonl, queries.parquet" in _check(folder).stderr


@pytest.mark.parametrize(
    ("name", "doubts"),
    [
        ("msmarco-dl19", ["3566 judged documents are not in the corpus, 0 of them among the 4102 relevant ones"]),
        ("fiqa", ["1 judged document is not in the corpus, 1 of them among the 1706 relevant ones"]),
        ("scifact", []),
    ],
)
def test_real_sets_are_told_as_they_are(data_dir: Path, name: str, doubts: list[str]) -> None:
    """What is odd about the real sets, and nothing else, is in their notes."""
    assert datasets.load(datasets.find(name, data_dir)).note().doubts == doubts
