"""What is sent and when: the workload, its lengths, the walk through it, and the moments of an open loop."""

import random

import numpy as np
import pytest

from bench.candidates import candidates
from bench.candidates.candidates import Candidates
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError, DataError
from bench.latency.plan import Sweep, jobs, offsets_s, repeated_pairs
from bench.latency.workload import Lengths, Request, lengths, sha256, workload
from tests.support.runs import WriteBeir

ANY = Lengths("any", 0, 10_000)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return datasets.load(datasets.SAMPLE)


@pytest.fixture(scope="module")
def frozen(dataset: Dataset) -> Candidates:
    return candidates.freeze(dataset, 20)


def test_workload_is_candidates_first_then_further_passages(dataset: Dataset, frozen: Candidates) -> None:
    """Every request has as many documents as asked, its own candidates first; the corpus begins again at its end."""
    for request in workload(dataset, frozen, 50, ANY):
        own = [dataset.documents[i] for i in frozen.lists[request.query_id]]
        assert len(request.documents) == 50
        assert request.documents[: len(own)] == own
        assert request.filled == 50 - len(own)
    assert workload(dataset, frozen, 1, ANY)[3].documents == [dataset.documents["bread:1"]]


def test_no_request_repeats_a_text_and_no_pair_is_sent_twice(dataset: Dataset, frozen: Candidates) -> None:
    """Further requests of a query have what comes next, until less than a request is left of the corpus."""
    for documents, of_a_query in ((50, 6), (152, 2), (304, 1)):
        made = workload(dataset, frozen, documents, ANY, count=10_000)
        assert len(made) == of_a_query * len(dataset.queries)
        assert all(len(set(request.documents)) == documents for request in made)
        pairs = [(request.query, text) for request in made for text in request.documents]
        assert len(set(pairs)) == len(pairs)
        assert made[: len(dataset.queries)] == workload(dataset, frozen, documents, ANY)
    assert len(workload(dataset, frozen, 50, ANY, count=20)) == 28


def test_texts_that_differ_in_their_ids_only_are_one(beir: WriteBeir) -> None:
    """Among the candidates, the passages that fill up, and the queries; and an empty document is none."""
    texts = ["red apple", "red apple", "green apple", "", "pear", "pear", "plum"]
    corpus = "".join(f'{{"_id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts))
    queries = "".join(f'{{"_id": "q{n}", "text": "{text}"}}\n' for n, text in enumerate(["apple", "apple", "plum"]))
    twice = datasets.load(beir(corpus=corpus, queries=queries, qrels="q0\td0\t1\nq1\td0\t1\nq2\td6\t1\n"))
    made = workload(twice, candidates.freeze(twice, 50), 2, ANY, count=99)
    assert [(request.query_id, request.documents, request.filled) for request in made] == [
        ("q0", ["red apple", "green apple"], 0),
        ("q1", ["pear", "plum"], 2),
        ("q2", ["plum", "red apple"], 1),
        ("q2", ["green apple", "pear"], 2),
    ]


@pytest.mark.parametrize(
    ("documents", "length", "words"),
    [
        (
            305,
            "any",
            r"305 documents would repeat some.* distinct documents in sample is 304; lower --documents to 304, ",
        ),
        (99, "180-", r"99 documents would.* documents of 180 to 2\d\d characters in sample is \d\d?; .* other lengths"),
        (10**9, "any", "lower --documents to 304"),
    ],
)
def test_more_documents_than_the_dataset_has_are_refused(
    dataset: Dataset, frozen: Candidates, documents: int, length: str, words: str
) -> None:
    """One sentence with the number that there are and what to do."""
    with pytest.raises(DataError, match=words):
        jobs(Sweep(documents=(2, documents), lengths=(length,)), dataset, frozen)


@pytest.mark.parametrize("name", ["short", "long", "100-140", "140-"])
def test_a_length_bounds_every_document(dataset: Dataset, frozen: Candidates, name: str) -> None:
    """Own candidates and filling alike; short and long are the dataset's own quarters, and the bounds are told."""
    sizes = sorted(len(text) for text in dataset.documents.values())
    expected = {"short": (sizes[0], sizes[len(sizes) // 4]), "long": (sizes[-len(sizes) // 4], sizes[-1])}
    expected |= {"100-140": (100, 140), "140-": (140, sizes[-1])}
    allowed = lengths(name, dataset)
    low, high = expected[name]
    assert abs(allowed.low - low) <= 10
    assert abs(allowed.high - high) <= 10
    sent = [text for request in workload(dataset, frozen, 8, allowed) for text in request.documents]
    assert all(allowed.low <= len(text) <= allowed.high for text in sent)
    assert len(set(sent)) < len(dataset.documents)


def test_a_length_that_is_none_or_that_no_document_has_is_one_sentence(dataset: Dataset, frozen: Candidates) -> None:
    """What may be given, or the bounds that nothing fits."""
    with pytest.raises(BenchError, match="invalid --length 'medium': give any, short"):
        lengths("medium", dataset)
    with pytest.raises(DataError, match="no document of 5000 to 6000 characters"):
        workload(dataset, frozen, 8, lengths("5000-6000", dataset))


def test_the_hash_tells_texts_apart(dataset: Dataset, frozen: Candidates) -> None:
    """Other documents, another order or another border between texts give another hash; the same give the same."""
    of = workload(dataset, frozen, 3, ANY)
    assert sha256([Request("q", "ab", ["c"])]) != sha256([Request("q", "a", ["bc"])])
    assert sha256(of) == sha256(workload(dataset, frozen, 3, ANY))
    assert len({sha256(of), sha256(of[::-1]), sha256(workload(dataset, frozen, 4, ANY)), sha256(of[:1])}) == 4


@pytest.mark.parametrize("rate", [2.0, 50.0])
def test_constant_arrivals_are_even_and_poisson_arrivals_are_exponential(rate: float) -> None:
    """Constant: gaps of 1/rate. Poisson: 20,000 gaps with mean and deviation 1/rate, and no memory."""
    even = offsets_s(100, rate, "constant", random.Random(1))
    assert np.diff(even) == pytest.approx(1 / rate)
    gaps = np.diff(offsets_s(20_001, rate, "poisson", random.Random(1))) * rate
    assert gaps.min() > 0
    assert gaps.mean() == pytest.approx(1, abs=0.03)
    assert gaps.std() == pytest.approx(1, abs=0.05)
    assert (gaps > 2).mean() == pytest.approx(np.exp(-2), abs=0.01)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03


def test_moments_depend_on_seed_point_and_round_only(dataset: Dataset, frozen: Candidates) -> None:
    """Two contestants, or two commands, send at the same moments; another round, point or seed at others."""

    def moments(seed: int, place: int, number: int) -> tuple[float, ...]:
        sweep = Sweep(concurrency=(), rates_per_s=(2.0, 5.0), requests=8, rounds=2, seed=seed)
        return tuple(jobs(sweep, dataset, frozen)[place].offsets_s(number))

    assert moments(0, 0, 0) == moments(0, 0, 0)
    assert len({moments(0, 0, 0), moments(0, 0, 1), moments(0, 1, 0), moments(1, 0, 0)}) == 4


def test_the_walk_goes_on_from_warm_up_and_round_to_round(dataset: Dataset, frozen: Candidates) -> None:
    """Rounds share the requests out without a gap, and the workload begins again at its end."""
    [job] = jobs(Sweep(documents=(304,), requests=13, rounds=3, warm_up=2), dataset, frozen)
    walk = [request.query_id for part in (job.warm_up, *map(job.round, range(3))) for request in part]
    assert walk == [f"q{number}" for number in range(1, 15)] + ["q1"]
    assert [len(job.round(number)) for number in range(3)] == [4, 4, 5]
    assert job.plan.distinct_requests == 13
    assert repeated_pairs([job]) == [304]


def test_repeated_pairs_are_counted_over_points_and_warm_up(dataset: Dataset, frozen: Candidates) -> None:
    """What the warm-up, the same point or an earlier one sent, against a count of every pair in the order sent."""
    sweep = Sweep(documents=(100, 40), concurrency=(1, 2), requests=70, warm_up=3)
    planned = jobs(sweep, dataset, frozen)
    sent: set[tuple[str, str]] = set()
    expected = []
    for job in planned:
        parts = [pair for request in job.warm_up for pair in ((request.query, text) for text in request.documents)]
        sent.update(parts)
        again = 0
        for request in job.round(0):
            again += sum((request.query, text) in sent for text in request.documents)
            sent.update((request.query, text) for text in request.documents)
        expected.append(again)
    assert repeated_pairs(planned) == expected
    assert expected[0] == 31 * 100  # 42 requests without repeats, three of them the warm-up
    assert expected[1] == 70 * 100


def test_a_sweep_is_every_combination(dataset: Dataset, frozen: Candidates) -> None:
    """Documents times lengths times loads, each point once, the kind of loop in its name."""
    sweep = Sweep(
        documents=(1, 10), lengths=("any", "short"), concurrency=(1, 8), rates_per_s=(2.0,), arrivals="constant"
    )
    points = [job.plan.point for job in jobs(sweep, dataset, frozen)]
    assert len(points) == len(set(points)) == 12
    assert str(points[1]) == "sample: 1 document a request, closed loop, concurrency 8"
    assert str(points[-1]) == "sample: 10 documents of short length a request, open loop, 2 requests/s constant"


def test_rounds_without_requests_and_sweeps_without_load_are_refused() -> None:
    """One sentence each."""
    with pytest.raises(BenchError, match="3 requests per point cannot be divided into 5 rounds"):
        Sweep(requests=3, rounds=5)
    with pytest.raises(BenchError, match="give --concurrency"):
        Sweep(concurrency=())
