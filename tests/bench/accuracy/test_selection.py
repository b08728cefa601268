"""Which queries a run is about: a seeded draw in the dataset's order, measured by the whole split's scale."""

import pytest

from bench.accuracy.selection import select
from bench.data import datasets
from bench.data.datasets import Dataset
from tests.support.runs import WriteBeir, many_queries


@pytest.fixture
def dataset(beir: WriteBeir) -> Dataset:
    return datasets.load(many_queries(beir, 40))


def test_without_a_limit_all_queries_are_selected(dataset: Dataset) -> None:
    """Also with a limit that is no smaller than their number."""
    for limit in (None, 40, 41):
        selection = select(dataset, limit)
        assert selection.query_ids == tuple(dataset.queries)
        assert selection.qrels == dataset.qrels


def test_a_draw_is_seeded_and_keeps_the_order(dataset: Dataset) -> None:
    """The same seed gives the same queries, another seed others; both in the order of the dataset."""
    first, again, other = (select(dataset, 10, seed).query_ids for seed in (1, 1, 2))
    assert first == again != other
    for query_ids in (first, other):
        assert len(set(query_ids)) == 10
        assert list(query_ids) == [query_id for query_id in dataset.queries if query_id in query_ids]


def test_a_draw_has_only_its_own_judgements(dataset: Dataset) -> None:
    """The dataset that goes along is the whole one."""
    selection = select(dataset, 10)
    assert selection.qrels == {query_id: dataset.qrels[query_id] for query_id in selection.query_ids}
    assert selection.dataset is dataset


def test_a_draw_is_measured_on_the_whole_splits_scale(beir: WriteBeir) -> None:
    """Only one query has the grade 3 that tells TREC Deep Learning's scale: a draw without it counts from 2 too."""
    dataset = datasets.load(beir(qrels="q1\td1\t3\nq2\td2\t2\n"))
    draws = [select(dataset, 1, seed) for seed in range(10)]
    assert {draw.query_ids for draw in draws} == {("q1",), ("q2",)}
    assert {draw.relevance_level for draw in draws} == {2}
