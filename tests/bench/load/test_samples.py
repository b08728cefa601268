"""The raw samples of a load test: exact figures, the log, the file, and the work that is drawn."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.errors import BenchError, DataError
from bench.load import workload
from bench.load.sample_log import SampleLog
from bench.load.samples import LoadHeader, LoadSample, Reported, duration_s, figures, read, table
from bench.load.workload import RequestSampler, RequestTexts, sizes
from bench.provenance import gather
from bench.records import Sample
from tests.support.runs import WriteBeir


def sample(sent_s: float, latency_ms: float, error: str | None = None, documents: int = 10) -> Sample:
    return Sample("q", documents, sent_s, sent_s, sent_s + latency_ms / 1000, status=200, error=error)


def reported(of: Sample, worker: int = 0, pairs: Sequence[int] = ()) -> Reported:
    return Reported(LoadSample("rerank", worker, of), list(pairs))


def header() -> LoadHeader:
    return LoadHeader(gather("http://127.0.0.1:1", None, {}))


def test_percentiles_are_exact() -> None:
    """As the standard library interpolates them, to the microsecond: locust would say 150 where it is 146.5."""
    latencies = [141.0, 146.5, 163.25, 102.125, 188.0]
    found = figures([sample(n, latency) for n, latency in enumerate(latencies)], test_s=5)
    by_rank = statistics.quantiles(latencies, n=100, method="inclusive")
    for estimate, rank in ((found.p50_ms, 50), (found.p90_ms, 90), (found.p99_ms, 99)):
        assert estimate is not None
        assert estimate.value == pytest.approx(by_rank[rank - 1])
        assert estimate.low <= estimate.value <= estimate.high


def test_intervals_cover_the_true_percentile() -> None:
    """95 % of them, over 400 samples of 200 exponential times each, whose median and P90 are known."""
    import numpy as np

    draw = np.random.default_rng(7)
    covered = {50: 0, 90: 0}
    for _ in range(400):
        found = figures([sample(0, value) for value in draw.exponential(100.0, 200)], test_s=1)
        for rank, estimate in ((50, found.p50_ms), (90, found.p90_ms)):
            assert estimate is not None
            covered[rank] += estimate.low <= -100 * np.log(1 - rank / 100) <= estimate.high
    assert all(0.92 <= count / 400 <= 0.98 for count in covered.values()), covered


def test_rates_are_over_the_whole_test() -> None:
    """From the first request sent to the last done; errors count as requests and bring no documents."""
    samples = [sample(1, 500), sample(2, 500, "status 500"), sample(2, 3000)]
    assert duration_s(samples) == 4
    found = figures(samples, duration_s(samples))
    assert (found.requests, found.errors, found.requests_per_s, found.documents_per_s) == (3, 1, 0.75, 5)


def test_failures_have_no_percentile() -> None:
    """A dash in the table, never a 0."""
    failed = LoadSample("rerank", 0, sample(0, 1, "status 500: broken"))
    assert figures([failed.sample], 1).p50_ms is None
    assert table([failed]).splitlines()[-1].split() == ["all", "1", "1", "1000.00", "0.0", "-", "-", "-"]
    assert "no request was answered" in table([])


def test_the_table_has_a_line_for_each_dialect_and_size() -> None:
    """Sizes as numbers, not as text."""
    lines = table([LoadSample(name, 0, sample(0, 1, documents=n)) for name in ("tei", "rerank") for n in (10, 9)])
    heads = [line.split("  ")[0] for line in lines.splitlines()[2:]]
    assert heads == ["rerank, 9 documents", "rerank, 10 documents", "tei, 9 documents", "tei, 10 documents", "all"]


def test_the_log_writes_what_it_is_given_at_once(tmp_path: Path) -> None:
    """Before it is closed, so that a test that is killed loses nothing; times count from the start."""
    sample_log = SampleLog(tmp_path / "new" / "samples.jsonl")
    sample_log.start(header(), now_unix_s=1000.0)
    sample_log.add([reported(sample(1002.5, 250), worker=1)])
    read_header, samples = read(tmp_path / "new" / "samples.jsonl")
    assert read_header.loop == "closed"
    assert samples == sample_log.samples == [LoadSample("rerank", 1, sample(2.5, 250), repeated_pairs=0)]
    sample_log.close()


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """The rest is read; a file of something else is refused."""
    file = tmp_path / "samples.jsonl"
    sample_log = SampleLog(file)
    sample_log.start(header(), 0)
    sample_log.add([reported(sample(n, 1)) for n in range(3)])
    sample_log.close()
    file.write_bytes(file.read_bytes()[:-20])
    assert len(read(file)[1]) == 2
    file.write_text("{}\n")
    with pytest.raises(DataError, match="does not contain samples of a load test"):
        read(file)


def test_samples_are_not_overwritten(tmp_path: Path) -> None:
    """A file that is there is refused before the test; a second test of the same session gets its own."""
    file = tmp_path / "samples.jsonl"
    sample_log = SampleLog(file)
    for _ in range(3):
        sample_log.start(header(), 0)
    sample_log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples-2.jsonl", "samples-3.jsonl", "samples.jsonl"]
    with pytest.raises(BenchError, match="already exists: give --samples another file name"):
        SampleLog(file)


def test_a_difference_to_locusts_count_is_said() -> None:
    """A report that was lost on its way must not go unseen."""
    sample_log = SampleLog(None)
    sample_log.add([reported(sample(0, 1))])
    assert sample_log.report(1, 2.5).endswith("locust's own count: 1 request, 2.50 per second")
    assert sample_log.report(3, 2.5).endswith("3 requests, 2.50 per second; 1 sample received")


def test_draws_are_seeded_and_differ_between_users() -> None:
    """The same seed draws the same requests; sizes come as often as they stand in the list."""
    texts = RequestTexts("d", [(f"q{n}", f"query {n}") for n in range(50)], [f"passage {n}" for n in range(90)])
    first, again, other = (RequestSampler(texts, [1, 20, 20], seed) for seed in ("0/0/0", "0/0/0", "0/0/1"))
    requests = [first.draw() for _ in range(300)]
    assert requests == [again.draw() for _ in range(300)]
    assert requests != [other.draw() for _ in range(300)]
    assert 160 < sum(len(request.documents) == 20 for request in requests) < 240


def test_a_request_has_no_passage_twice_and_numbers_its_pairs() -> None:
    """Though it takes the whole corpus; equal numbers are equal pairs of texts, whoever drew them."""
    texts = RequestTexts("d", [(f"q{n}", f"query {n}") for n in range(5)], [f"passage {n}" for n in range(9)])
    by_number: dict[int, set[tuple[str, str]]] = {}
    for user in range(3):
        sampler = RequestSampler(texts, [4, 9], f"0/0/{user}")
        for request in (sampler.draw() for _ in range(50)):
            assert len(set(request.documents)) == len(request.documents) == len(request.pairs)
            for number, document in zip(request.pairs, request.documents, strict=True):
                by_number.setdefault(number, set()).add((request.query, document))
    assert sorted(by_number) == list(range(45))
    assert len(set().union(*by_number.values())) == 45
    assert {len(pairs) for pairs in by_number.values()} == {1}


def test_texts_are_read_once_whatever_their_ids(beir: WriteBeir) -> None:
    """Two documents, or two queries, of the same text are one; more documents than distinct texts are refused."""
    corpus = "".join(f'{{"_id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(["a", "b", "a", "", "c", "b"]))
    queries = "".join(f'{{"_id": "q{n}", "text": "{text}"}}\n' for n, text in enumerate(["x", "y", "x"]))
    folder = beir(corpus=corpus, queries=queries, qrels="q0\td0\t1\nq1\td1\t1\nq2\td2\t1\n")
    texts = workload.read(str(folder), None, "test")
    assert (texts.queries, texts.passages) == ([("q0", "x"), ("q1", "y")], ["a", "b", "c"])
    texts.check([1, 3])
    with pytest.raises(BenchError, match=r"a request of 4 documents would repeat some.* is 3; lower --documents to 3"):
        texts.check([4, 1])


def test_pairs_that_were_sent_before_are_counted(tmp_path: Path) -> None:
    """By request in the file and as a share at the end, whichever worker sent them first; a new test counts anew."""
    sample_log = SampleLog(tmp_path / "samples.jsonl")
    for _ in range(2):
        sample_log.start(header(), 0)
        sample_log.add([reported(sample(0, 1), pairs=range(10)), reported(sample(1, 1), 1, range(5, 15))])
        sample_log.add([reported(sample(2, 1), pairs=range(10))])
        assert [at.repeated_pairs for at in sample_log.samples] == [0, 5, 10]
        assert "repeated pairs: 15 of 30 pairs of query and passage (50%) were sent before" in sample_log.report(3, 1)
    sample_log.close()
    assert [at.repeated_pairs for at in read(tmp_path / "samples.jsonl")[1]] == [0, 5, 10]
    sample_log.start(header(), 0)
    sample_log.add([reported(sample(0, 1), pairs=range(10))])
    assert "repeated pairs: 0 of 10 pairs of query and passage (0%)\n" in sample_log.report(1, 1)
    sample_log.close()


@pytest.mark.parametrize("text", ["", "0", "8,,9", "8,-1", "many", "1.5"])
def test_sizes_that_cannot_be(text: str) -> None:
    """Named, with what would be right."""
    assert sizes("8,32, 100") == [8, 32, 100]
    with pytest.raises(BenchError, match="give whole numbers of at least 1"):
        sizes(text)
