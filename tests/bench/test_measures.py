"""Measures against pytrec_eval itself, a case worked by hand, and the house rules on ties and missing queries."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from bench import bootstrap, candidates, measures
from bench.data import datasets

GRADES = {"q": {"a": 3, "b": 2, "c": 0, "elsewhere": 1}}


def _oracle(qrels: dict[str, dict[str, int]], rankings: dict[str, list[str]], level: int) -> measures.PerQuery:
    """trec_eval's own figures, missing queries 0; MRR@10 by giving it the first ten only."""
    run = {q: {d: 1000.0 - rank for rank, d in enumerate(ids)} for q, ids in rankings.items()}
    first_ten = {q: dict(list(scores.items())[:10]) for q, scores in run.items()}
    names = {"ndcg_cut_5", "ndcg_cut_10", "recall_5", "recall_10"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names, relevance_level=level).evaluate(run)
    reciprocal = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}, relevance_level=level).evaluate(first_ten)
    rel = "" if level == 1 else f"(rel={level})"
    keys = {
        "nDCG@5": "ndcg_cut_5",
        "nDCG@10": "ndcg_cut_10",
        f"R{rel}@5": "recall_5",
        f"R{rel}@10": "recall_10",
    }
    values = {key: {q: found.get(q, {}).get(name, 0.0) for q in qrels} for key, name in keys.items()}
    return values | {f"RR{rel}@10": {q: reciprocal.get(q, {}).get("recip_rank", 0.0) for q in qrels}}


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
    with pytest.raises(ValueError, match="1 scores for 2 documents"):
        measures.order_by_score(["a", "b"], [1.0])


@given(
    qrels=st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(st.integers(0, 30).map("d{}".format), st.integers(0, 3), min_size=1),
        min_size=1,
    ),
    seed=st.integers(0, 2**16),
    level=st.sampled_from([1, 2]),
)
def test_equals_trec_eval_on_generated_cases(qrels: dict[str, dict[str, int]], seed: int, level: int) -> None:
    """Any grades and rankings, with missing queries, unjudged and missing documents: trec_eval's figures to 1e-6."""
    draw = random.Random(seed)  # test data
    rankings = {
        query: draw.sample([f"d{n}" for n in range(40)], draw.randint(1, 40)) for query in qrels if draw.random() < 0.8
    }
    _assert_equal(measures.per_query(qrels, rankings, level), _oracle(qrels, rankings, level))


@pytest.mark.parametrize("name", ["msmarco-dl19", "nfcorpus", "agentset-dbpedia", "pg-silver"])
def test_equals_trec_eval_on_real_sets(data_dir: Path, name: str) -> None:
    """On graded sets, both relevance levels, some queries missing: trec_eval's figures to 1e-6."""
    dataset = datasets.load(datasets.find(name, data_dir))
    frozen = candidates.freeze(dataset, 50)
    rankings = {query: ids for n, (query, ids) in enumerate(frozen.lists.items()) if n % 7}
    level = dataset.relevance_level
    _assert_equal(measures.per_query(dataset.qrels, rankings, level), _oracle(dataset.qrels, rankings, level))


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
    """Of 200 samples of 100 queries about 95 % have the true mean in their interval."""
    draw = np.random.default_rng(0)
    estimates = [bootstrap.estimate(draw.random(100), bootstrap.mean) for _ in range(200)]
    assert 0.91 <= sum(e.low <= 0.5 <= e.high for e in estimates) / 200 <= 0.99
