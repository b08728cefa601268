"""Candidates: from a run file or BM25, frozen under a hash, without the query's own text."""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.accuracy import measures
from bench.candidates import candidates
from bench.data import catalogue, datasets
from bench.errors import DataError
from tests.support.bm25 import BM25, MEASURED
from tools import bm25_check

WriteBeir = Callable[..., Path]


def _write_run(folder: Path, lines: str) -> Path:
    (folder / "runs").mkdir(exist_ok=True)
    file = folder / "runs" / "BM25.trec"
    file.write_text(lines, encoding="utf-8")
    return file


def test_shipped_run_is_taken_and_named(beir: WriteBeir) -> None:
    """runs/BM25.trec is the default source; its order is by score, equal scores by rank, whatever the line order."""
    folder = beir()
    _write_run(folder, "q1 Q0 d2 2 1.0 x\nq1 Q0 d1 1 1.0 x\nq2 Q0 d1 1 0.5 x\nq2 Q0 d2 2 9.5 x\nother Q0 zz 1 1 x\n")
    frozen = candidates.freeze(datasets.load(folder), 10)
    assert frozen.source == "run runs/BM25.trec"
    assert frozen.lists == {"q1": ["d1", "d2"], "q2": ["d2", "d1"]}


def test_given_run_wins_over_the_shipped_one(beir: WriteBeir) -> None:
    """A run file given by argument is used and named."""
    folder = beir()
    _write_run(folder, "q1 Q0 d1 1 1.0 x\n")
    given = folder / "mine.trec"
    given.write_text("q1 Q0 d2 1 1.0 x\n", encoding="utf-8")
    frozen = candidates.freeze(datasets.load(folder), 10, given)
    assert (frozen.source, frozen.lists["q1"]) == ("run mine.trec", ["d2"])


def test_query_without_line_has_no_candidates_and_is_counted(beir: WriteBeir) -> None:
    """A judged query that the run lacks keeps an empty list, so that it can count 0."""
    folder = beir()
    _write_run(folder, "q1 Q0 d1 1 1.0 x\n")
    frozen = candidates.freeze(datasets.load(folder), 10)
    assert frozen.lists["q2"] == []
    assert frozen.note().queries_without_candidates == 1


def test_own_id_is_dropped_before_the_cut(beir: WriteBeir) -> None:
    """ArguAna's rule: the query's own document makes room for the next one, in runs and in BM25."""
    corpus = (
        '{"_id": "q1", "text": "red apple pie"}\n{"_id": "d1", "text": "red apple"}\n{"_id": "d2", "text": "apple"}\n'
    )
    folder = beir(corpus=corpus, queries='{"_id": "q1", "text": "red apple pie"}', qrels="q1\td1\t1\n")
    assert candidates.freeze(datasets.load(folder), 2).lists == {"q1": ["d1", "d2"]}
    _write_run(folder, "q1 Q0 q1 1 3 x\nq1 Q0 d1 2 2 x\nq1 Q0 d2 3 1 x\n")
    assert candidates.freeze(datasets.load(folder), 2).lists == {"q1": ["d1", "d2"]}


@pytest.mark.parametrize("run", ["q1 Q0 q1 1 3 x\nq1 Q0 d1 2 2 x\n", None], ids=["run", "bm25"])
def test_a_relevant_document_with_its_querys_id_stays(beir: WriteBeir, run: str | None) -> None:
    """Queries and documents that are both numbered from 1 share ids by chance: what is judged relevant is no copy."""
    corpus = '{"_id": "q1", "text": "red apple"}\n{"_id": "d1", "text": "apple"}\n{"_id": "q2", "text": "red"}\n'
    queries = '{"_id": "q1", "text": "red apple"}\n{"_id": "q2", "text": "red"}\n'
    folder = beir(corpus=corpus, queries=queries, qrels="q1\tq1\t1\nq2\tq1\t1\nq2\tq2\t0\n")
    if run:
        _write_run(folder, run)
    dataset = datasets.load(folder)
    lists = candidates.freeze(dataset, 2).lists
    assert lists["q1"][0] == "q1"
    assert "q2" not in lists["q2"]
    assert measures.per_query(dataset.qrels, lists, 1)["R@5"]["q1"] == 1.0


def test_ranks_may_be_whole_floats_and_scores_infinite(beir: WriteBeir) -> None:
    """As trec_eval reads them: infinity ranks first, equal scores by rank."""
    folder = beir()
    _write_run(folder, "q1 Q0 d2 2.0 -inf x\nq1 Q0 d1 1.0 -inf x\nq2 Q0 d1 1 3 x\nq2 Q0 d2 2 inf x\n")
    assert candidates.freeze(datasets.load(folder), 10).lists == {"q1": ["d1", "d2"], "q2": ["d2", "d1"]}


def test_a_compressed_run_is_named(beir: WriteBeir) -> None:
    """A run as TREC publishes it, still compressed, is one sentence with what to do."""
    folder = beir()
    run = folder / "input.bm25.gz"
    run.write_bytes(gzip.compress(b"q1 Q0 d1 1 1.0 x\n"))
    with pytest.raises(DataError, match=r"input\.bm25\.gz is compressed with gzip: decompress it with `gunzip`"):
        candidates.freeze(datasets.load(folder), 10, run)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("q1 Q0 d1 1 nan x\nq1 Q0 d2 2 1.0 x\n", r"BM25\.trec line 1: rank 1 and score nan must be numbers"),
        ("q1 Q0 d1 1 1.0 x\nq1 Q0 d2 2 -NaN x\n", r"BM25\.trec line 2: .*NaN cannot be ranked"),
        ("q1 Q0 d1 nan 1.0 x\n", r"BM25\.trec line 1: rank nan"),
        ("q1 Q0 d1 1 1.0\n", r"BM25\.trec line 1: 5 columns"),
        ("q1 Q0 d1 1 1.0 x\nq1 Q0 d2 second 1.0 x\n", r"BM25\.trec line 2: rank and score must be numbers"),
        ("q1 Q0 d1 1 1.0 x\nq1 Q0 d1 2 0.9 x\n", r"BM25\.trec line 2: the document 'd1' appears twice"),
        ("q1 Q0 d1 1 1.0 x\nq1 Q0 zz 2 0.9 x\n", r"BM25\.trec line 2: the document 'zz' is not in the corpus"),
        ("q9 Q0 d1 1 1.0 x\n", r"contains none of the judged queries"),
    ],
)
def test_damaged_run_is_one_sentence_with_its_place(beir: WriteBeir, lines: str, sentence: str) -> None:
    """A run that does not fit the dataset names its line."""
    folder = beir()
    _write_run(folder, lines)
    with pytest.raises(DataError, match=sentence):
        candidates.freeze(datasets.load(folder), 10)


def test_bm25_finds_the_answers_of_the_sample() -> None:
    """Without a run file BM25 ranks by shared, stemmed terms; a document without one is no candidate."""
    frozen = candidates.freeze(datasets.load(datasets.SAMPLE), 5)
    assert "bm25s" in frozen.source
    assert frozen.lists["q4"][0] == "bread:1"
    assert frozen.lists["q14"] == ["rainbow-1", "rainbow-2", "rainbow-5", "rainbow-3"]


def test_bm25_of_unknown_words_is_empty(beir: WriteBeir) -> None:
    """A query of stop words or of words that no document holds has no candidates, and no error."""
    queries = '{"_id": "q1", "text": "the of and"}\n{"_id": "q2", "text": "zebra"}\n'
    assert candidates.freeze(datasets.load(beir(queries=queries)), 5).lists == {"q1": [], "q2": []}


def test_equal_bm25_scores_keep_corpus_order(beir: WriteBeir) -> None:
    """Among 400 documents of two kinds, the shorter come first, each kind in corpus order, at any depth."""
    texts = ["apple", "apple and a long tail of other words"] * 200
    corpus = "".join(f'{{"_id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts))
    folder = beir(corpus=corpus, queries='{"_id": "q1", "text": "apple"}', qrels="q1\td1\t1\n")
    ids = [f"d{n}" for n in [*range(0, 400, 2), *range(1, 400, 2)]]
    for depth in (30, 250, 400):
        assert candidates.freeze(datasets.load(folder), depth).lists["q1"] == ids[:depth]


def test_hash_tells_lists_apart() -> None:
    """The hash depends on queries, documents and order, and on nothing else."""
    one = candidates.Candidates("a", 2, {"q1": ["d1", "d2"], "q2": ["d3"]})
    same = candidates.Candidates("b", 9, {"q2": ["d3"], "q1": ["d1", "d2"]})
    other = candidates.Candidates("a", 2, {"q1": ["d2", "d1"], "q2": ["d3"]})
    assert one.sha256 == same.sha256 != other.sha256


@pytest.mark.parametrize(
    ("bm25", "known"),
    [pytest.param(known.name, known, id=known.name) for known in MEASURED],
    indirect=["bm25"],
    scope="session",
)
def test_bm25_reproduces_the_expected_figures(bm25: BM25, known: catalogue.KnownDataset) -> None:
    """nDCG@10 of the candidates' own order is the figure published, or first measured, on these files to .005."""
    dataset, frozen = bm25
    values = measures.per_query(dataset.qrels, frozen.lists, dataset.relevance_level)
    assert measures.means(values)["nDCG@10"].value == pytest.approx(known.bm25_ndcg10, abs=0.005)


def _check(*arguments: str) -> Result:
    return CliRunner().invoke(bm25_check.main, arguments)


def test_bm25_table_tells_what_is_off_and_what_is_absent(
    tmp_path: Path, beir: WriteBeir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong figure is marked and makes the exit code 1; no set at all too; DL19's figure needs its run."""
    monkeypatch.delenv("RERANK_DATA", raising=False)
    assert "no known dataset was found in" in _check(str(tmp_path)).stderr
    beir()
    for name in ("scifact", "msmarco-dl19"):
        shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-root" / name)
    result = _check(str(tmp_path.parent / f"{tmp_path.name}-root"))
    assert result.exit_code == 1
    assert "1 of 1 figure is off by more than 0.005" in result.stderr
    assert re.search(r"scifact .* \.6760 .* OFF\n", result.stdout)
    assert re.search(r"msmarco-dl19 +2  the expected figure is that of a shipped run, which is missing", result.stdout)


def test_bm25_table_of_real_sets_is_all_within(data_dir: Path, tmp_path: Path) -> None:
    """The script's own verdict over the two small sets."""
    for name in ("business-reports", "pg-silver"):
        (tmp_path / name).symlink_to(datasets.find(name, data_dir))
    result = _check(str(tmp_path))
    assert result.exit_code == 0, result.stdout
    assert "all 2 within 0.005" in result.stdout
