"""Further measures: each is refused by name before a request is sent, or computed as its definition says."""

import ast
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.accuracy import measures, trial
from bench.data import datasets
from bench.errors import BenchError
from bench.settings import import_environment
from tests.support.fake_reranker import FakeReranker
from tests.support.runs import bench_run, record_of, sentence_of

WriteBeir = Callable[..., Path]
QRELS = {"1": {"11": 3, "12": 0, "13": 1}, "2": {"11": 1}}
RANKINGS = {"1": ["12", "11", "99", "13"], "2": ["11"]}
GAINS = "nDCG(gains={1:5})@10"


def _numbered(beir: WriteBeir, query_id: str = "1", document_id: str = "11", grade: int = 2) -> Path:
    return beir(
        corpus=f'{{"_id": "{document_id}", "text": "apple"}}\n{{"_id": "12", "text": "apple pie"}}\n',
        queries=f'{{"_id": "{query_id}", "text": "apple"}}\n',
        qrels=f"{query_id}\t{document_id}\t{grade}\n{query_id}\t12\t0\n",
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("R@0", "'R@0' cannot be computed: its cutoff must be a whole number from 1"),
        ("P@0", "its cutoff must be"),
        ("nDCG@0", "its cutoff must be"),
        ("RR@0", "its cutoff must be"),
        ("Judged@0", "its cutoff must be"),
        ("R@99999999999999999999", "its cutoff must be"),
        ("nDCG@10.0", "its cutoff must be"),
        ("P@True", "its cutoff must be"),
        ("nDCG@-1", "unknown measure 'nDCG@-1': use a name such as AP"),
        ("nDCG@１０", "unknown measure 'nDCG@１０'"),
        ("nDCG(**{})@10", "unknown measure"),
        ("nDCG@" + "-" * 20_000 + "5", "unknown measure"),
        ("ndcg@10", "unknown measure 'ndcg@10': did you mean nDCG@10?"),
        ("map", "did you mean MAP?"),
        ("P(rel=0)@5", "its rel must be a grade from 1 to 10,000"),
        ("R(rel=99999999999999999999)@5", "its rel must be a grade from 1 to 10,000"),
        ("R(rel=3)@5", "'R(rel=3)@5' cannot be computed on sample: no document has a grade of 3 or more"),
        ("IPrec@0.123", "its recall must be a number from 0.0 to 1.0 with one or two decimals"),
        ("IPrec@1.5", "its recall must be"),
        ("Compat(p=1.5)", "its p must be a number from 0.0 to 1.0"),
        ("Compat@5", "Compat has no parameter cutoff"),
        ("SetF(beta=2)", "its beta must be a number with decimals, such as 2.0"),
        ("nDCG(dcg='x')@10", "its dcg must be 'log2' or 'exp-log2'"),
        ("nDCG(gains={1:0.5})@10", "its gains must be"),
        ("nDCG(gains={1:9999999999})@10", "its gains must be"),
        ("RBP(p=0.8)", "give it rel"),
        ("SDCG(max_rel=3)@10", "needs a parameter or a library that is missing; install the library: pip install"),
        ("alpha_nDCG@10", "needs a parameter or a library that is missing; install the library: pip install"),
        ("ERR@10", "'ERR@10' cannot be computed on sample: gdeval.pl, the program that computes it, needs numbers"),
        ("nDCG(dcg='exp-log2')@10", "cannot be computed on sample: gdeval.pl"),
        ("Accuracy@1", "'Accuracy@1' cannot be computed: the library that computes Accuracy@1 failed: ZeroDivision"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name_before_a_request(
    reranker: FakeReranker, tmp_path: Path, name: str, sentence: str
) -> None:
    """One sentence, nobody asked, no ranking written, and this process still runs."""
    result = bench_run("--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--measure", name)
    assert sentence in sentence_of(result)
    assert len(sentence_of(result).splitlines()) == 1
    assert len(sentence_of(result)) < 500
    assert reranker.seen == []
    assert list(tmp_path.rglob("*.jsonl")) == []


@pytest.mark.parametrize(
    "name", ["AP@1000000000", "Judged@10", "NumRet", "SetF(beta=2.0)", "IPrec@0.25", "Compat", "infAP"]
)
def test_what_can_be_computed_is_a_figure_of_the_run(reranker: FakeReranker, tmp_path: Path, name: str) -> None:
    """Tried, then measured; a query without candidates counts 0."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--limit", "3", "--measure", name]
    assert bench_run(*flags).exit_code == 0
    assert name in record_of(tmp_path, "rerank").measures


def test_a_measure_given_twice_or_in_two_spellings_is_one(reranker: FakeReranker, tmp_path: Path) -> None:
    """The standard ones included."""
    names = ["AP", "MAP", "AP", "nDCG@10", "NDCG@10", "nDCG(cutoff=10)", "nDCG@1_0", "AP(rel=1)"]
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--limit", "3"]
    result = bench_run(*flags, *(flag for name in names for flag in ("--measure", name)))
    assert result.exit_code == 0, result.stderr
    assert [*record_of(tmp_path, "rerank").measures] == ["nDCG@5", "nDCG@10", "R@5", "R@10", "RR@10", "AP"]


@pytest.mark.parametrize(
    "names", [["nDCG(gains={1:5})@10"], ["IPrec@0.1", "IPrec@0.2"], ["P@5", "P(judged_only=True)@5"]]
)
def test_measures_do_not_change_each_other(names: list[str]) -> None:
    """Each has the value that it has alone, and the standard ones stay as they are to the last bit."""
    together = measures.per_query(QRELS, RANKINGS, 1, names)
    plain = measures.per_query(QRELS, RANKINGS, 1)
    assert {key: together[key] for key in plain} == plain
    for name in names:
        assert together[name] == measures.per_query(QRELS, RANKINGS, 1, [name])[name]


@pytest.mark.parametrize("hash_seed", ["1", "6", "10"])
def test_gains_are_the_given_ones(hash_seed: str) -> None:
    """Grade 1 counts 5 and grade 3 stays 3, by the formula; nDCG@10 beside it keeps the grades, whatever the order in
    which the library's sets hold the two.
    """
    code = f"from bench.accuracy.measures import per_query; print(per_query({QRELS}, {RANKINGS}, 1, [{GAINS!r}]))"
    environment = import_environment() | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-P", "-c", code]
    values = ast.literal_eval(subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode())
    ranked, ideal = 3 / math.log2(3) + 5 / math.log2(5), 5 + 3 / math.log2(3)
    assert values[GAINS] == pytest.approx({"1": ranked / ideal, "2": 1.0})
    ranked, ideal = 3 / math.log2(3) + 1 / math.log2(5), 3 + 1 / math.log2(3)
    assert values["nDCG@10"] == pytest.approx({"1": ranked / ideal, "2": 1.0})


def test_a_level_that_the_name_sets_is_kept_and_one_that_means_nothing_is_not_added() -> None:
    """At the dataset's level of 2: R(rel=1) counts from 1, and NumRet counts documents, relevant or not."""
    values = measures.per_query(QRELS, RANKINGS, 2, ["R(rel=1)@2", "R(rel=3)@2", "R@2", "NumRet", "NumRelRet"])
    assert [values[name]["1"] for name in ("R@2", "R(rel=3)@2", "R(rel=2)@2")] == [0.5, 1.0, 1.0]
    assert (values["NumRet"]["1"], values["NumRet(rel=2)"]["1"]) == (4.0, 1.0)
    with pytest.raises(BenchError, match=r"'NumRel' cannot be computed where documents are relevant from grade 2 only"):
        measures.per_query(QRELS, RANKINGS, 2, ["NumRel"])
    assert measures.per_query(QRELS, RANKINGS, 2, ["NumRel(rel=1)"])["NumRel"]["1"] == 2.0


def test_err_is_that_of_its_definition_where_it_can_be_computed(beir: WriteBeir) -> None:
    """Queries with numbers as ids: Chapelle's formula with grades up to 4, to the script's five decimals."""
    dataset = datasets.load(_numbered(beir))
    trial.check_measures_on(dataset, {"1": ["12", "11"]}, ["ERR@10"])
    values = measures.per_query(dataset.qrels, {"1": ["12", "11"]}, 1, ["ERR@10"])
    assert values["ERR@10"]["1"] == pytest.approx((2**2 - 1) / 2**4 / 2, abs=1e-5)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"query_id": "2010-51"}, "needs numbers as query ids, unlike '2010-51'"),
        ({"query_id": "007"}, "needs numbers as query ids, unlike '007'"),
        ({"document_id": "11 4"}, "needs document ids without spaces, unlike '11 4'"),
        ({"grade": 5}, "needs grades up to 4, unlike 5"),
    ],
)
@pytest.mark.parametrize("name", ["ERR@10", "nDCG(dcg='exp-log2')@10"])
def test_what_the_script_would_misread_is_refused(
    beir: WriteBeir, parts: dict[str, str], sentence: str, name: str
) -> None:
    """It would take 2010-51 for 51 and a part of an id for a grade: wrong figures without a word."""
    dataset = datasets.load(_numbered(beir, **parts))  # type: ignore[arg-type]  # an id or a grade
    with pytest.raises(BenchError, match=sentence):
        trial.check_measures_on(dataset, {}, [name])


def test_a_process_that_ends_is_a_sentence_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, beir: WriteBeir
) -> None:
    """If a library aborts on something that no limit foresees, the other process ends and not this one."""
    dataset = datasets.load(_numbered(beir))
    broken = trial.Trial("P@5", dataset.qrels, {"1": None}, 1)  # type: ignore[dict-item]  # crashes the other process
    with pytest.raises(BenchError, match=r"^the measure 'P@5' cannot be computed here: .*[Ee]xpected.*; leave it out"):
        trial.attempt(broken, " here")
    monkeypatch.setattr(trial, "LIMIT_S", 0.001)
    with pytest.raises(BenchError, match=r"a trial did not end within 0\.001 s"):
        trial.attempt(trial.Trial("P@5", dataset.qrels, {}, 1), "")
