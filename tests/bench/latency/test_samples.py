"""The samples' file: what goes in comes out, it stays small, and what is none is told."""

import random
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from bench.errors import DataError
from bench.latency import files, records, samples
from tests.support.latency_profiles import closed_rounds, plan, profile, sample


def test_samples_come_back_as_they_went(tmp_path: Path) -> None:
    """Every column to the microsecond, absent values absent, warm-up apart, the note in the file's own metadata."""
    rounds = [
        [sample(0.5, 12.3456, late_ms=2), sample(1, 3, "status 500: no", first_byte_s=None, tokens=None)],
        [sample(2, 9)],
    ]
    before = profile("p", [(plan(3, 2), rounds)]).with_round(
        0, 2, [sample(3, 1, server_timing_ms={"queue": 0.25})], 0.5
    )
    before = before.with_round(0, 3, [], 0.5, warm_up=[sample(0, 99)])
    samples.write(before, tmp_path / "p.parquet")
    after = samples.read(tmp_path / "p.parquet")
    assert after.note == before.note
    observed = after.observations(0)
    assert observed.round.tolist() == [0, 0, 1, 2]
    assert observed.latency_ms == pytest.approx([12.346, 3, 9, 1])
    assert observed.lateness_ms == pytest.approx([2, 0, 0, 0])
    assert observed.first_byte_ms == pytest.approx([11.346, float("nan"), 8, 0], nan_ok=True)
    assert observed.errors == [None, "status 500: no", None, None]
    assert observed.tokens == pytest.approx([350, float("nan"), 350, 350], nan_ok=True)
    assert observed.stages_ms["queue"] == pytest.approx([float("nan")] * 3 + [0.25], nan_ok=True)
    assert observed.busy[-1] == pytest.approx(0.5)
    assert after.warm_up(0).latency_ms == pytest.approx([99])
    assert b"rerank-bench.latency" in (pq.read_schema(tmp_path / "p.parquet").metadata or {})


def test_a_profile_of_some_thousand_samples_stays_small(tmp_path: Path) -> None:
    """5,000 requests with four stages: below 200 kB on disk."""
    draw = random.Random(1)

    made = []
    for index in range(5000):
        stages = {stage: draw.uniform(0, 300) for stage in ("tokenise", "queue", "inference", "total")}
        of = sample(index * 0.4, draw.uniform(100, 600), late_ms=draw.uniform(0, 1), server_timing_ms=stages)
        made.append(msgspec.structs.replace(of, query_id=f"query-{index % 43}", tokens=draw.randint(4000, 9000)))
    samples.write(profile("p", [(plan(5000), [made])]), tmp_path / "p.parquet")
    assert (tmp_path / "p.parquet").stat().st_size < 200_000


def test_figures_can_be_made_again_from_the_file(tmp_path: Path) -> None:
    """The JSON record equals what the samples on disk give; a point without all its rounds is not in it."""
    whole, begun = plan(40, 2), plan(40, 2, documents=1)
    rounds = closed_rounds([100.0 + n for n in range(40)], 2)
    path = tmp_path / "p.parquet"
    samples.write(profile("p", [(whole, rounds), (begun, rounds[:1])]), path)
    written = files.finish(samples.read(path), path)
    assert records.read(tmp_path / "p.json") == written == files.figures(samples.read(path))
    assert [at.plan for at in written.points] == [whole]


def test_a_file_that_is_no_profile_is_told(tmp_path: Path) -> None:
    """Absent, damaged, a Parquet file of something else, figures of an older format: one sentence with the path."""
    with pytest.raises(DataError, match=r"p\.parquet does not exist"):
        samples.read(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="does not contain a latency profile"):
        samples.read(tmp_path / "p.parquet")
    pq.write_table(samples.SCHEMA.empty_table(), tmp_path / "p.parquet")
    with pytest.raises(DataError, match="does not contain a latency profile"):
        samples.read(tmp_path / "p.parquet")
    (tmp_path / "p.json").write_text('{"record": "latency", "format": 1}', encoding="utf-8")
    with pytest.raises(DataError, match="contains no latency figures of format 2"):
        records.read(tmp_path / "p.json")
