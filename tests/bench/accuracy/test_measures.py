"""Measures against pytrec_eval itself, a case worked by hand, and the house rules on ties and missing queries."""

import math
import random

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from bench import bootstrap
from bench.accuracy import measures
from bench.errors import BenchError
from tests.support.bm25 import BM25, MEASURED

REAL_SETS = [*(known.name for known in MEASURED), "agentset-msmarco"]
GRADES = {"q": {"a": 3, "b": 2, "c": 0, "elsewhere": 1}}


def _oracle(qrels: dict[str, dict[str, int]], rankings: dict[str, list[str]], level: int) -> measures.PerQuery:
    """trec_eval's own figures, missing queries 0; MRR@10 by giving it the first ten only."""
    run = {q: {d: 1000.0 - rank for rank, d in enumerate(ids)} for q, ids in rankings.items()}
    qrels = {q: {d: max(grade, 0) for d, grade in grades.items()} for q, grades in qrels.items()}  # it crashes below 0
    first_ten = {q: dict(list(scores.items())[:10]) for q, scores in run.items()}
    names = {"ndcg_cut_5", "ndcg_cut_10", "recall_5", "recall_10", "map"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names, relevance_level=level).evaluate(run)
    reciprocal = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}, relevance_level=level).evaluate(first_ten)
    rel = "" if level == 1 else f"(rel={level})"
    keys = {
        "nDCG@5": "ndcg_cut_5",
        "nDCG@10": "ndcg_cut_10",
        f"R{rel}@5": "recall_5",
        f"R{rel}@10": "recall_10",
        f"AP{rel}": "map",
    }
    values = {key: {q: found.get(q, {}).get(name, 0.0) for q in qrels} for key, name in keys.items()}
    return values | {f"RR{rel}@10": {q: reciprocal.get(q, {}).get("recip_rank", 0.0) for q in qrels}}


def _by_hand(qrels: dict[str, dict[str, int]], rankings: dict[str, list[str]], level: int) -> measures.PerQuery:
    """The definitions written out, in no library's words."""
    rel = "" if level == 1 else f"(rel={level})"
    values: measures.PerQuery = {}
    for query, grades in qrels.items():
        ranking = rankings.get(query, [])
        gains = [max(grades.get(document, 0), 0) for document in ranking]
        ideal = sorted((max(grade, 0) for grade in grades.values()), reverse=True)
        hits = [gain >= level for gain in gains]
        relevant = sum(grade >= level for grade in grades.values())
        figures = {
            f"RR{rel}@10": next((1 / rank for rank, hit in enumerate(hits[:10], start=1) if hit), 0.0),
            f"AP{rel}": sum(sum(hits[:rank]) / rank for rank, hit in enumerate(hits, start=1) if hit)
            / max(relevant, 1),
        }
        for cut in (5, 10):
            best = _dcg(ideal[:cut])
            figures[f"nDCG@{cut}"] = _dcg(gains[:cut]) / best if best else 0.0
            figures[f"R{rel}@{cut}"] = sum(hits[:cut]) / max(relevant, 1)
        for name, figure in figures.items():
            values.setdefault(name, {})[query] = figure
    return values


def _dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _assert_equal(ours: measures.PerQuery, theirs: measures.PerQuery) -> None:
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values, abs=1e-6), name


def test_worked_case() -> None:
    """Ranking c, b, unjudged, a over grades a 3, b 2, c 0 and one of 1 outside: every figure by hand."""
    values = measures.per_query(GRADES, {"q": ["c", "b", "unjudged", "a"]}, relevance_level=1)
    gained = 2 / math.log2(3) + 3 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"]["q"] == pytest.approx(gained / ideal)
    assert values["R@5"]["q"] == pytest.approx(2 / 3)
    assert values["RR@10"]["q"] == pytest.approx(1 / 2)


def test_relevance_level_two_counts_from_grade_two() -> None:
    """With level 2 the grade 1 outside is no relevant document, and the keys say so; nDCG does not change."""
    values = measures.per_query(GRADES, {"q": ["c", "b", "unjudged", "a"]}, relevance_level=2)
    assert values["R(rel=2)@5"]["q"] == 1.0
    assert values["RR(rel=2)@10"]["q"] == 0.5
    assert values["nDCG@10"] == measures.per_query(GRADES, {"q": ["c", "b", "unjudged", "a"]}, 1)["nDCG@10"]


def test_missing_query_counts_zero_and_unjudged_query_nothing() -> None:
    """Two judged queries of which one is answered perfectly: the mean is a half, whatever else was answered."""
    qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
    values = measures.per_query(qrels, {"q1": ["a"], "unasked": ["z"]}, 1)
    assert values["nDCG@10"] == {"q1": 1.0, "q2": 0.0}
    assert measures.means(values)["nDCG@10"].value == 0.5


def test_negative_grades_are_not_relevant() -> None:
    """A grade below 0 is worth nothing and takes nothing away, and a query that has no other ones counts 0."""
    values = measures.per_query({"q": {"a": 2, "b": -1}, "r": {"a": -2}}, {"q": ["b", "a"], "r": ["a"]}, 1)
    assert values["nDCG@10"] == {"q": pytest.approx(1 / math.log2(3)), "r": 0.0}
    assert values["R@5"] == {"q": 1.0, "r": 0.0}


def test_queries_keep_the_order_of_the_qrels() -> None:
    """A seeded bootstrap draws by position, so the same data must come in the same order, answered or not."""
    qrels = {f"q{n}": {"a": 1} for n in (3, 1, 2, 5, 4)}
    values = measures.per_query(qrels, {"q2": ["a"], "q3": ["a"]}, 1)
    assert all(list(of) == list(qrels) for of in values.values())


def test_query_without_candidates_counts_zero() -> None:
    """An empty ranking is an answer worth 0, for every measure."""
    assert all(of == {"q": 0.0} for of in measures.per_query(GRADES, {"q": []}, 1).values())


def test_equal_scores_keep_candidate_order() -> None:
    """Ties are not broken by id: z before a stays so, though trec_eval alone would turn them by name."""
    ids = ["m", "z", "a", "b"]
    order = measures.order_by_score(ids, [0.5, 0.7, 0.7, 0.5])
    assert [ids[position] for position in order] == ["z", "a", "m", "b"]


def test_ties_reach_the_measure_in_candidate_order() -> None:
    """All scores equal: the measure is the candidates' own, in either direction of the ids."""
    for ids in (["a", "b"], ["b", "a"]):
        ranking = [ids[position] for position in measures.order_by_score(ids, [0.3, 0.3])]
        expected = 1.0 if ids[0] == "a" else 1 / math.log2(3)
        assert measures.per_query({"q": {"a": 1}}, {"q": ranking}, 1)["nDCG@10"]["q"] == pytest.approx(expected)


def test_scores_and_documents_must_be_as_many() -> None:
    """A score too few is an error, never a silent cut."""
    with pytest.raises(ValueError, match="1 score for 2 documents"):
        measures.order_by_score(["a", "b"], [1.0])


def test_further_measures_are_asked_for_by_name() -> None:
    """AP and a deeper recall beside the standard ones, at the set's level; one that is there is not doubled."""
    values = measures.per_query(GRADES, {"q": ["c", "b", "unjudged", "a"]}, 2, further=["AP", "R@100", "nDCG@10"])
    standard = {"nDCG@5", "nDCG@10", "R(rel=2)@5", "R(rel=2)@10", "RR(rel=2)@10"}
    assert set(list(values)[: len(measures.STANDARD)]) >= standard
    assert list(values)[len(measures.STANDARD) :] == ["AP(rel=2)", "R(rel=2)@100"]
    assert values["AP(rel=2)"]["q"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    for name in ("nosuch", "nDCG@", ""):
        with pytest.raises(BenchError, match=f"unknown measure '{name}'"):
            measures.per_query(GRADES, {}, 1, further=[name])


@pytest.mark.parametrize("name", ["RBP(p=0.8)", "INST"])
def test_a_measure_that_cannot_be_computed_is_one_sentence(name: str) -> None:
    """Its library is not there, or it wants a parameter: known before anybody is asked."""
    with pytest.raises(BenchError, match=r"needs a parameter or a library that is missing"):
        measures.check([name])


def test_a_measure_whose_program_fails_is_one_sentence() -> None:
    """The Perl script that computes ERR fails on ids that are not numbers, or is not there at all."""
    with pytest.raises(BenchError, match=r"further measures \(ERR@10\) runs a program that failed here"):
        measures.per_query(GRADES, {"q": ["c", "b", "a"]}, 1, further=["ERR@10"])


@given(
    qrels=st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(st.integers(0, 30).map("d{}".format), st.integers(-2, 3), min_size=1),
        min_size=1,
    ),
    seed=st.integers(0, 2**16),
    kinds=st.integers(1, 6),
    level=st.sampled_from([1, 2]),
)
def test_equals_trec_eval_and_the_definitions_on_generated_cases(
    qrels: dict[str, dict[str, int]], seed: int, kinds: int, level: int
) -> None:
    """Any grades, scores of a few values only (ties), missing queries, unjudged and absent documents: to 1e-6."""
    draw = random.Random(seed)  # test data
    rankings: dict[str, list[str]] = {}
    for query in qrels:
        if draw.random() < 0.8:
            candidates = draw.sample([f"d{n}" for n in range(40)], draw.randint(1, 40))
            scores = [float(draw.randrange(kinds)) for _ in candidates]
            rankings[query] = [candidates[n] for n in measures.order_by_score(candidates, scores)]
            places = list(range(len(candidates)))
            assert rankings[query] == [candidates[n] for n in np.lexsort((places, [-score for score in scores]))]
    ours = measures.per_query(qrels, rankings, level, further=["AP"])
    _assert_equal(ours, _oracle(qrels, rankings, level))
    _assert_equal(ours, _by_hand(qrels, rankings, level))


@pytest.mark.parametrize("bm25", REAL_SETS, indirect=True, scope="session")
def test_equals_trec_eval_on_all_real_sets(bm25: BM25) -> None:
    """BM25's top 100, every seventh query missing, the others scored in steps of three ranks from the bottom (ties):
    trec_eval's figures and the definitions' to 1e-6, query by query. What is not judged is among the candidates.
    """
    dataset, frozen = bm25
    rankings = {}
    for n, (query, ids) in enumerate(frozen.lists.items()):
        if n % 7:
            scores = [float(-rank // 3 if n % 2 else rank // 3) for rank in range(len(ids))]
            rankings[query] = [ids[position] for position in measures.order_by_score(ids, scores)]
    level = dataset.relevance_level
    ours = measures.per_query(dataset.qrels, rankings, level, further=["AP"])
    _assert_equal(ours, _oracle(dataset.qrels, rankings, level))
    _assert_equal(ours, _by_hand(dataset.qrels, rankings, level))
    assert any(i not in dataset.qrels[query] for query, ids in rankings.items() for i in ids)
    oracle = _oracle(dataset.qrels, rankings, level)
    for measure, mean in measures.means(ours).items():
        assert mean.value == pytest.approx(np.mean(list(oracle[measure].values())), abs=1e-6)


def test_interval_is_seeded_and_holds_the_mean() -> None:
    """The same seed gives the same interval; its width is about that of the normal approximation."""
    values = np.random.default_rng(1).random(400)
    one, again = (bootstrap.estimate(values, bootstrap.mean, seed=3) for _ in range(2))
    assert one == again
    assert bootstrap.estimate(values, bootstrap.mean, seed=4) != one
    assert one.value == pytest.approx(values.mean())
    assert one.low < one.value < one.high
    assert one.high - one.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """The interval holds the true mean in about 95 % of 200 samples of 100 queries."""
    draw = np.random.default_rng(0)
    estimates = [bootstrap.estimate(draw.random(100), bootstrap.mean) for _ in range(200)]
    assert 0.91 <= sum(e.low <= 0.5 <= e.high for e in estimates) / 200 <= 0.99
