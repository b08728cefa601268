"""Latency samples made by hand, and profiles of them."""

import random
from collections.abc import Sequence

from bench.latency import samples
from bench.latency.records import Point, PointPlan, ProfileNote
from bench.latency.samples import Profile
from bench.records import CandidatesNote, ContestantNote, DatasetNote, Provenance, Sample


def sample(
    planned_s: float, latency_ms: float, error: str | None = None, late_ms: float = 0.0, **more: object
) -> Sample:
    """A request of 50 documents; its first byte came a millisecond before its last."""
    done_s = planned_s + latency_ms / 1000
    fields: dict[str, object] = {
        "documents": 50,
        "sent_s": planned_s + late_ms / 1000,
        "first_byte_s": done_s - 0.001,
        "tokens": 350,
        "status": 200 if error is None else 500,
        "server_timing_ms": {"inference": latency_ms * 0.9},
    } | more
    return Sample("q", planned_s=planned_s, done_s=done_s, error=error, **fields)  # type: ignore[arg-type]


def closed_rounds(latencies_ms: Sequence[float], rounds: int) -> list[list[Sample]]:
    """One client's requests, each sent when the one before is answered; every round's clock begins at 0."""
    size = len(latencies_ms) // rounds
    made = []
    for number in range(rounds):
        now_s, of_round = 0.0, []
        for latency_ms in latencies_ms[number * size : (number + 1) * size]:
            of_round.append(sample(now_s, latency_ms))
            now_s = of_round[-1].done_s
        made.append(of_round)
    return made


def plan(requests: int, rounds: int = 1, **point: object) -> PointPlan:
    """The plan of one closed loop."""
    fields: dict[str, object] = {"dataset": "sample", "split": "test", "documents": 50, "length": "any"} | {
        "loop": "closed",
        "concurrency": 1,
    }
    at = Point(**(fields | point))  # type: ignore[arg-type]
    return PointPlan(at, requests, rounds, 0, 0, 1, 900, requests, 0, "texts")


def profile(
    name: str, points: Sequence[tuple[PointPlan, Sequence[Sequence[Sample]]]], run: str = "run", **server: object
) -> Profile:
    """A profile of points by round."""
    told = {"model_id": "m", "device": "cpu"} | server
    made = Provenance("2026-01-01T00:00:00+00:00", "c", [], {}, "cpu", 2, "Linux", {}, "http://x", told)
    note = ProfileNote(
        profile=name,
        contestant=ContestantNote(name, "rerank", None, "http://x/v1/rerank"),
        run=run,
        provenance=made,
        datasets=[DatasetNote("sample", "test", 12, 4, 0, 0, 1, "dataset")],
        candidates={"sample": CandidatesNote("BM25", 100, "candidates", 0)},
        plans=[plan for plan, _ in points],
    )
    found = samples.start(note)
    for index, (_, rounds) in enumerate(points):
        for number, of_round in enumerate(rounds):
            found = found.with_round(index, number, of_round, busy=0.1)
    return found


def noisy_ms(draw: random.Random, count: int, content: Sequence[float]) -> list[float]:
    """Latencies as a server gives them: by content, with noise that lingers, and now and then a slow one."""
    noise, found = 0.0, []
    for index in range(count):
        noise = 0.7 * noise + 0.7 * draw.gauss(0, 0.1)
        found.append(100 * 2.718 ** (0.3 * content[index] + noise) * (3 if draw.random() < 0.02 else 1))
    return found
