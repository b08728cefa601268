"""Datasets: what a document's text is, both qrels forms, and one sentence with file and line for damaged data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data import datasets
from bench.errors import DataError
from bench.settings import Settings

WriteBeir = Callable[..., Path]


def test_sample_is_whole() -> None:
    """The shipped sample loads by its name: a few hundred distinct texts, grades up to 2, odd ids kept.

    A query has an answer, something near it, and several passages that share its words and do not answer it.
    """
    sample = datasets.load(datasets.find("sample", None))
    assert (len(sample.documents), len(set(sample.documents.values())), len(sample.qrels)) == (304, 304, 14)
    assert {i: grade for i, grade in sample.qrels["q3"].items() if grade} == {
        **{"tide<1>": 2, "tide<2>": 1},
        **{"tide<4>": 2, "tide<6>": 1},
    }
    for judged in sample.qrels.values():
        assert {0, 2} <= set(judged.values())
        assert list(judged.values()).count(0) >= 4
    assert sample.relevance_level == 1
    assert sample.note().judgements_outside_corpus == 0


def test_document_text_is_title_space_text_stripped(beir: WriteBeir) -> None:
    """A title that is missing, null or empty leaves the text alone, without a space before it."""
    corpus = (
        '{"_id": "d1", "title": "Title", "text": "text "}\n{"_id": "d2", "text": "no title"}\n\n'
        '{"_id": 3, "title": null, "text": "null title", "metadata": {"url": "x"}}\n'
        '{"_id": "<db:é>", "title": "", "text": ""}'
    )
    dataset = datasets.load(beir(corpus=corpus))
    assert dataset.documents == {"d1": "Title text", "d2": "no title", "3": "null title", "<db:é>": ""}
    assert dataset.note().empty_documents == 1


@pytest.mark.parametrize(
    "qrels",
    [
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n",
        "q1\td1\t1\nq2\td2\t2",
        "q1\t0\td1\t1\nq2\t0\td2\t2\n",
        "q1 Q0 d1 1\r\nq2 Q0 d2 2\r\n",
        "\ufeffquery-id\titer\tcorpus-id\tscore\nq1\tq1\td1\t1\n\nq2\tq2\td2\t2\n",
    ],
    ids=["three-columns-header", "three-columns", "four-tabs", "four-spaces-crlf", "four-columns-header-bom"],
)
def test_both_qrels_forms_read_alike(beir: WriteBeir, qrels: str) -> None:
    """BEIR's three columns and TREC's four, with and without header, give the same judgements."""
    assert datasets.load(beir(qrels=qrels)).qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}


def test_only_judged_queries_are_kept_in_qrels_order(beir: WriteBeir) -> None:
    """A query without judgement is not part of the split."""
    assert list(datasets.load(beir(qrels="q2\td2\t1\n")).queries) == ["q2"]


def test_judged_documents_outside_the_corpus_are_counted_not_refused(beir: WriteBeir) -> None:
    """Complete qrels over a part of the collection are legitimate, and the record says how many do not fit."""
    dataset = datasets.load(beir(qrels="q1\td1\t1\nq1\telsewhere\t1\n"))
    assert dataset.note().judgements_outside_corpus == 1
    assert dataset.qrels["q1"]["elsewhere"] == 1


@pytest.mark.parametrize(("highest", "level"), [(1, 1), (2, 1), (3, 2)])
def test_relevance_level_follows_the_scale(beir: WriteBeir, highest: int, level: int) -> None:
    """Only a scale up to 3, as TREC Deep Learning's, counts relevance from grade 2."""
    assert datasets.load(beir(qrels=f"q1\td1\t{highest}\nq2\td2\t0\n")).relevance_level == level


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"corpus": '{"_id": "d1", "text": "one"}\n{"_id": "d2", "te'}, r"corpus\.jsonl line 2: .*truncated"),
        ({"corpus": '{"_id": "d1", "title": "no text"}'}, r"corpus\.jsonl line 1: .*required field `text`"),
        ({"corpus": '{"_id": "d1", "text": null}'}, r"corpus\.jsonl line 1: .*null"),
        (
            {"corpus": '{"_id": "d1", "text": ""}\n{"_id": "d1", "text": ""}'},
            r"line 2: duplicate id 'd1'",
        ),
        ({"corpus": "\n"}, r"corpus\.jsonl is empty"),
        ({"queries": '{"_id": "q1", "text": "x"}'}, r"test\.tsv line 3: the query 'q2' has no text"),
        ({"queries": '{"_id": "q1", "text": " "}'}, r"test\.tsv line 2: the query 'q1' has no text"),
        ({"qrels": "q1\td1\n"}, r"test\.tsv line 1: 2 columns|no judgement"),
        ({"qrels": "q1\td1\t1\nq2\td2\n"}, r"test\.tsv line 2: 2 columns"),
        ({"qrels": "q1\td1\t1\nq2\td2\t1.5\n"}, r"test\.tsv line 2: the grade '1.5' is not a whole number"),
        ({"qrels": "q1\td1\t1\nq1\td1\t0\n"}, r"test\.tsv line 2: 'd1' has two different judgements"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, r"test\.tsv contains no judgements"),
        ({"qrels": "q1\telsewhere\t1\n"}, r"test\.tsv: none of its relevant documents \(1\) is in the corpus"),
        ({"split": "dev"}, r"test\.tsv does not exist; available splits: dev"),
    ],
)
def test_damage_is_one_sentence_with_its_place(beir: WriteBeir, damage: dict[str, str], sentence: str) -> None:
    """Damaged data names its file and, where there is one, its line."""
    folder = beir(**damage)
    with pytest.raises(DataError, match=sentence):
        datasets.load(folder)


def test_bytes_that_are_not_utf8_are_named(beir: WriteBeir) -> None:
    """A Latin-1 byte is a DataError with its line, not a UnicodeDecodeError."""
    folder = beir()
    (folder / "queries.jsonl").write_bytes(b'{"_id": "q1", "text": "x"}\n{"_id": "q2", "text": "caf\xe9"}\n')
    with pytest.raises(DataError, match=r"queries\.jsonl line 2: invalid UTF-8 at byte"):
        datasets.load(folder)


def test_name_leads_to_path_root_or_its_beir_folder(beir: WriteBeir, tmp_path: Path) -> None:
    """A dataset is found by path, as <root>/<name> and as <root>/beir/<name>; otherwise the places are told."""
    folder = beir()
    assert datasets.find(str(folder), None) == folder
    assert datasets.find(folder.name, folder.parent) == folder
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "beir").symlink_to(folder.parent)
    assert datasets.find(folder.name, tmp_path / "root") == tmp_path / "root" / "beir" / folder.name
    with pytest.raises(DataError, match=r"no dataset 'nosuch': .*root.*beir"):
        datasets.find("nosuch", tmp_path / "root")
    with pytest.raises(DataError, match="RERANK_DATA is not set"):
        datasets.find("nosuch", None)


def test_settings_take_the_root_from_the_environment() -> None:
    """An empty RERANK_DATA is an absent one."""
    assert Settings.from_environment({"RERANK_DATA": "/somewhere"}).data_root == Path("/somewhere")
    assert Settings.from_environment({"RERANK_DATA": ""}).data_root is None
