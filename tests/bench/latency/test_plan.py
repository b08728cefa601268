"""What is sent and when: the workload, its lengths, the walk through it, and the moments of an open loop."""

import random

import numpy as np
import pytest

from bench.candidates import candidates
from bench.candidates.candidates import Candidates
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError, DataError
from bench.latency.plan import Sweep, jobs, offsets_s
from bench.latency.workload import Lengths, Request, lengths, sha256, workload

ANY = Lengths("any", 0, 10_000)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return datasets.load(datasets.SAMPLE)


@pytest.fixture(scope="module")
def frozen(dataset: Dataset) -> Candidates:
    return candidates.freeze(dataset, 20)


def test_workload_is_candidates_first_then_further_passages(dataset: Dataset, frozen: Candidates) -> None:
    """Every request has as many documents as asked, its own candidates first; the corpus begins again at its end."""
    for request in workload(dataset, frozen, 20, ANY):
        own = [dataset.documents[i] for i in frozen.lists[request.query_id]]
        assert len(request.documents) == 20
        assert request.documents[: len(own)] == own
        assert request.filled == 20 - len(own)
    assert workload(dataset, frozen, 1, ANY)[0].documents == [dataset.documents["tea-1"]]


@pytest.mark.parametrize("name", ["short", "long", "100-140", "140-"])
def test_a_length_bounds_every_document(dataset: Dataset, frozen: Candidates, name: str) -> None:
    """Own candidates and filling alike; short and long are the dataset's own quarters, and the bounds are told."""
    sizes = sorted(len(text) for text in dataset.documents.values())
    expected = {"short": (sizes[0], sizes[len(sizes) // 4]), "long": (sizes[-4], sizes[-1])}
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
    [job] = jobs(Sweep(documents=(3,), requests=7, rounds=3, warm_up=2), dataset, frozen)
    walk = [request.query_id for part in (job.warm_up, *map(job.round, range(3))) for request in part]
    assert walk == ["q1", "q2", "q3", "q4"] * 2 + ["q1"]
    assert [len(job.round(number)) for number in range(3)] == [2, 2, 3]
    assert job.plan.distinct_requests == 4


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
