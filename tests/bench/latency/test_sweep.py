"""A sweep through real servers: turns, what is kept after a kill, what is refused, what is not measured again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.candidates import candidates
from bench.contestants.contestant import Contestant, rerank_at
from bench.data import datasets
from bench.errors import BenchError, ServerError
from bench.latency import records, samples
from bench.latency.plan import Sweep
from bench.latency.records import LatencyRecord
from bench.latency.stage import measure_latency
from tests.support.fake_reranker import FakeReranker
from tests.support.known_server import StartKnownServer

ROOT = Path(__file__).parents[3]


def _contestant(name: str, url: str, **more: Any) -> Contestant:
    of = rerank_at(url)
    return Contestant(name, of.dialect, of.url, of.route, **more)


def _measure(contestants: list[Contestant], sweep: Sweep, results: Path, **more: Any) -> list[LatencyRecord]:
    dataset = datasets.load(datasets.SAMPLE)
    return measure_latency(contestants, [(dataset, candidates.freeze(dataset, 20))], sweep, results, **more)


def test_contestants_take_turns_with_the_same_requests(reranker: FakeReranker, tmp_path: Path) -> None:
    """A B A B by rounds: after the check and a warm-up each, both are sent the same requests; one run, two profiles."""
    both = [_contestant("a", reranker.url), _contestant("b", reranker.url)]
    sweep = Sweep(documents=(2,), requests=6, rounds=3, warm_up=1)
    found = _measure(both, sweep, tmp_path)
    sent = [request["query"].split()[-1] for request in reranker.seen if len(request["documents"]) == 2]
    q1, q2, q3, q4, q5, q6, q7 = "tea", "bicycle", "sea", "starter", "autumn", "disease", "leaves"
    assert sent[2:] == [q1, q2, q3, q1, q2, q3, q4, q5, q4, q5, q6, q7, q6, q7]
    assert found[0].note.run == found[1].note.run
    assert [of.note.profile for of in found] == ["a", "b"]
    for of in found:
        assert of.points[0].summary.requests == 6
        assert records.read(tmp_path / "latency" / f"{of.note.profile}.json") == of


def _pairs(requests: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(request["query"], text) for request in requests for text in request["documents"]]


def test_pairs_that_the_server_was_sent_before_are_counted(reranker: FakeReranker, tmp_path: Path) -> None:
    """By point, as the server saw them: none while passages last, all where a point or a contestant repeats another."""
    sweep = Sweep(documents=(100,), concurrency=(1, 2), requests=28, warm_up=2)
    found = _measure([_contestant("a", reranker.url), _contestant("b", reranker.url)], sweep, tmp_path)
    seen = [request for request in reranker.seen if len(request["documents"]) == 100]
    assert len(seen) == 2 * 2 * 30
    of_a = _pairs(seen[:30])
    assert len(set(of_a)) == len(of_a)
    assert [of.note.repeated_pairs for of in found] == [[0, 2800], [2800, 2800]]
    assert records.read(tmp_path / "latency" / "b.json").note.repeated_pairs == [2800, 2800]
    [wider] = _measure([_contestant("a", reranker.url)], replace(sweep, documents=(100, 90)), tmp_path)
    of_90 = [request for request in reranker.seen if len(request["documents"]) == 90]
    before = {*_pairs(seen), *_pairs(of_90[:2])}
    repeated = sum(pair in before for pair in _pairs(of_90[2:30]))
    assert 0 < repeated < 2520
    assert wider.note.repeated_pairs == [0, 2800, repeated, 2520]


def test_what_is_there_is_not_measured_again(reranker: FakeReranker, tmp_path: Path) -> None:
    """The same command asks nobody; a wider sweep asks for its new points only; `anew` forgets all."""
    contestants = [_contestant("a", reranker.url)]
    first = _measure(contestants, Sweep(documents=(2,), requests=4), tmp_path)
    asked = len(reranker.seen)
    assert _measure(contestants, Sweep(documents=(2,), requests=4), tmp_path) == first
    assert len(reranker.seen) == asked
    [wider] = _measure(contestants, Sweep(documents=(2, 3), requests=4, warm_up=0), tmp_path, anew=True)
    assert len(reranker.seen) == asked + 1 + 8
    assert [at.plan.point.documents for at in wider.points] == [2, 3]
    [widest] = _measure(contestants, Sweep(documents=(2, 3, 5), requests=4, warm_up=0), tmp_path)
    assert len(reranker.seen) == asked + 1 + 8 + 1 + 4
    assert widest.points[:2] == wider.points


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"requests": 8}, "requests was 4, is now 8"),
        ({"seed": 1}, "seed was 0, is now 1"),
        ({}, "server's model_id was fake, is now other"),
    ],
)
def test_samples_of_another_measurement_are_not_added_to(
    reranker: FakeReranker, tmp_path: Path, other: dict[str, int], words: str
) -> None:
    """Other settings or another model under the same name: refused, naming the difference, and nothing is lost."""
    contestants = [_contestant("a", reranker.url)]
    [first] = _measure(contestants, Sweep(documents=(2,), requests=4), tmp_path)
    path = tmp_path / "latency" / "a.parquet"
    if not other:
        reranker.info = {"model_id": "other", "device": "cpu"}
    with pytest.raises(BenchError, match=words):
        _measure(contestants, Sweep(documents=(2, 3), **({"requests": 4} | other)), tmp_path)  # type: ignore[arg-type]
    assert [at.summary for at in records.read(path.with_suffix(".json")).points] == [at.summary for at in first.points]


@pytest.mark.slow
def test_a_kill_keeps_the_finished_rounds_and_the_same_command_goes_on(reranker: FakeReranker, tmp_path: Path) -> None:
    """SIGKILL in the middle: what was finished is on disk, is not sent again, and the result is that of a whole run."""
    reranker.delay_s = 0.05
    command = [sys.executable, "-m", "bench.cli", "latency", "--url", reranker.url, "--data", "sample"]
    command += [
        "--documents",
        "2,3",
        "--requests",
        "20",
        "--rounds",
        "10",
        "--warm-up",
        "0",
        "--results",
        str(tmp_path),
    ]
    path = tmp_path / "latency" / "rerank.parquet"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.perf_counter() + 30
        seen = 0
        while seen < 3 and time.perf_counter() < deadline:
            seen = len(samples.read(path).rounds_done(0)) if path.exists() else 0
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert 3 <= seen < 10  # each round as it was done, not the point as a whole
    kept = samples.read(path)
    done = sum(len(kept.rounds_done(index)) for index in (0, 1))
    assert 3 <= done < 20
    before = len(reranker.seen)
    time.sleep(0.1)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    whole = samples.read(path)
    assert len(reranker.seen) - before <= 1 + 2 * (20 - done) + 1  # a check, the missing rounds, one that was in flight
    assert whole.finished() == [0, 1]
    for index in (0, 1):
        observed = whole.observations(index)
        assert observed.round.tolist() == [number for number in range(10) for _ in range(2)]
        assert whole.table.slice(0, len(kept.table)).equals(kept.table)


def test_a_server_that_goes_away_ends_the_sweep_and_keeps_what_was_done(
    known_server: StartKnownServer, tmp_path: Path
) -> None:
    """It dies in the second point: one sentence, no round of failures, and the first point's figures are written."""
    with (
        known_server(die_at=8) as url,  # a check, four requests of the first point, two of the second
        pytest.raises(ServerError, match=r"no server answers at .* run the same command again to resume"),
    ):
        _measure([_contestant("a", url)], Sweep(documents=(2, 3), requests=4, rounds=2, warm_up=0), tmp_path)
    kept = samples.read(tmp_path / "latency" / "a.parquet")
    assert [kept.rounds_done(index) for index in (0, 1)] == [{0, 1}, {0}]
    assert len(records.read(tmp_path / "latency" / "a.json").points) == 1


def test_a_contestants_own_limit_is_kept(reranker: FakeReranker, tmp_path: Path) -> None:
    """More clients than it takes at a time are refused before anything is sent."""
    with pytest.raises(BenchError, match="is limited to 2 concurrent requests"):
        _measure([_contestant("a", reranker.url, concurrency=2)], Sweep(concurrency=(1, 4)), tmp_path)
    assert reranker.seen == []


def test_a_limit_of_our_own_is_no_part_of_the_latency(reranker: FakeReranker, tmp_path: Path) -> None:
    """240 requests a minute at most: a closed loop waits a quarter of a second for each, and none of it is counted."""
    [found] = _measure([_contestant("a", reranker.url, per_minute=240)], Sweep(documents=(2,), requests=6), tmp_path)
    summary = found.points[0].summary
    assert summary.refused is None
    assert summary.p50_ms is not None
    assert summary.p50_ms.value < 200
    assert summary.documents_per_s is not None
    assert summary.documents_per_s.value < 12
