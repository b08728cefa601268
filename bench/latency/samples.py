"""The samples of a profile: one Parquet file, rewritten atomically after every finished round.

A row is a request, in the order of the plan. Times are whole microseconds, so that the columns compress well: about ten
kilobytes per thousand requests. The ProfileNote is stored as JSON in the file's metadata. Columns:
`point` (its index in the note's plans), `round`, `warm_up`, `busy` (the generator's share of a CPU core in this
round), `query_id`, `documents`, `planned_us` (on a clock of the command's), `sent_us` after it, `first_byte_us` and
`done_us` after that, `status`, `tokens`, `error` (null is success) and one `server_timing.<stage>_us` a stage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.errors import DataError
from bench.latency.observations import Floats, Observations
from bench.latency.records import FORMAT, PointPlan, ProfileNote
from bench.records import Sample
from bench.storage import replacing

NOTE = b"rerank-bench.latency"
STAGE, US = "server_timing.", "_us"
SCHEMA = pa.schema(
    [
        ("point", pa.int16()),
        ("round", pa.int16()),
        ("warm_up", pa.bool_()),
        ("busy", pa.float32()),
        ("query_id", pa.string()),
        ("documents", pa.int32()),
        ("planned_us", pa.int64()),
        ("sent_us", pa.int64()),
        ("first_byte_us", pa.int64()),
        ("done_us", pa.int64()),
        ("status", pa.int16()),
        ("tokens", pa.int32()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class Profile:
    """A profile with the rounds measured so far."""

    note: ProfileNote
    table: Any
    """A pyarrow Table with at least the columns of SCHEMA."""

    def rounds_done(self, point: int) -> set[int]:
        """Return the finished rounds of a point; a round is complete or absent."""
        rows = self._rows(point, warm_up=False)
        return {int(number) for number in rows["round"].unique().to_pylist()}

    def finished(self) -> list[int]:
        """Return the indexes of the points whose rounds are all finished."""
        return [index for index, plan in enumerate(self.note.plans) if len(self.rounds_done(index)) == plan.rounds]

    def index(self, plan: PointPlan) -> int:
        """Return the index of a plan in the note."""
        return self.note.plans.index(plan)

    def observations(self, point: int) -> Observations:
        """Return the measured requests of one point."""
        return _observations(self._rows(point, warm_up=False))

    def warm_up(self, point: int) -> Observations:
        """Return the warm-up requests of one point."""
        return _observations(self._rows(point, warm_up=True))

    def with_plans(self, note: ProfileNote) -> "Profile":
        """Return this profile with the points of another note added."""
        added = [plan for plan in note.plans if plan not in self.note.plans]
        repeated = [*map(self.note.repeated, self.note.plans), *map(note.repeated, added)]
        datasets = {of.name: of for of in [*self.note.datasets, *note.datasets]}
        merged = msgspec.structs.replace(
            self.note,
            plans=[*self.note.plans, *added],
            repeated_pairs=repeated,
            datasets=list(datasets.values()),
            candidates=self.note.candidates | note.candidates,
        )
        return Profile(merged, self.table)

    def with_round(
        self, point: int, number: int, samples: Sequence[Sample], busy: float, warm_up: Sequence[Sample] = ()
    ) -> "Profile":
        """Return this profile with one more round."""
        rows = [*((sample, True) for sample in warm_up), *((sample, False) for sample in samples)]
        columns = _columns(point, number, rows, busy)
        return replace(self, table=pa.concat_tables([self.table, columns], promote_options="default"))

    def _rows(self, point: int, *, warm_up: bool) -> Any:
        return self.table.filter((pc.field("point") == point) & (pc.field("warm_up") == warm_up))


def start(note: ProfileNote) -> Profile:
    """Return a profile without samples."""
    return Profile(note, SCHEMA.empty_table())


def write(profile: Profile, path: Path) -> None:
    """Write the file atomically."""
    metadata = {NOTE: msgspec.json.encode(profile.note)}
    table = profile.table.replace_schema_metadata(metadata)
    words = [field.name for field in table.schema if pa.types.is_string(field.type)]
    numbers = {field.name: "DELTA_BINARY_PACKED" for field in table.schema if field.name.endswith(US)}
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd", use_dictionary=words, column_encoding=numbers)


def read(path: Path) -> Profile:
    """Read a profile; DataError if the file is not one."""
    try:
        whole = (
            path.read_bytes()
        )  # all at once: given the path, pyarrow would open it twice, and it may be replaced in between
        # without threads: one that still starts when the command ends would abort the process
        table = pq.read_table(pa.BufferReader(whole), use_threads=False)
        note = msgspec.json.decode((table.schema.metadata or {})[NOTE], type=ProfileNote)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except (OSError, pa.ArrowException, msgspec.MsgspecError, UnicodeError, KeyError) as error:
        raise DataError(f"{path} does not contain a latency profile: {error}") from error
    if note.format != FORMAT:
        raise DataError(f"{path} has format {note.format}, but this version reads format {FORMAT}: measure it again")
    lacking = [field.name for field in SCHEMA if field not in list(table.schema)]
    if lacking:
        raise DataError(f"{path} does not contain a latency profile: it lacks the columns {', '.join(lacking)}")
    return Profile(note, table)


def read_note(path: Path) -> ProfileNote | None:
    """Read the description of a profile without its samples; None if the file is not a profile of this format."""
    try:
        note = msgspec.json.decode((pq.read_schema(path).metadata or {})[NOTE], type=ProfileNote)
    except (OSError, pa.ArrowException, msgspec.MsgspecError, UnicodeError, KeyError):
        return None
    return note if note.format == FORMAT else None


def _columns(point: int, number: int, rows: Sequence[tuple[Sample, bool]], busy: float) -> Any:
    samples = [sample for sample, _ in rows]
    stages = dict.fromkeys(stage for sample in samples for stage in sample.server_timing_ms)
    columns = {
        "point": [point] * len(rows),
        "round": [number] * len(rows),
        "warm_up": [warm_up for _, warm_up in rows],
        "busy": [busy] * len(rows),
        "query_id": [sample.query_id for sample in samples],
        "documents": [sample.documents for sample in samples],
        "planned_us": [_us(sample.planned_s) for sample in samples],
        "sent_us": [_us(sample.sent_s - sample.planned_s) for sample in samples],
        "first_byte_us": [_us_after(sample.sent_s, sample.first_byte_s) for sample in samples],
        "done_us": [_us(sample.done_s - sample.sent_s) for sample in samples],
        "status": [sample.status for sample in samples],
        "tokens": [sample.tokens for sample in samples],
        "error": [sample.error for sample in samples],
    }
    table = pa.table(columns, schema=SCHEMA)
    for stage in stages:
        times_ms = [sample.server_timing_ms.get(stage) for sample in samples]
        values = pa.array([None if ms is None else round(ms * 1000) for ms in times_ms], type=pa.int64())
        table = table.append_column(f"{STAGE}{stage}{US}", values)
    return table


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _us_after(begin_s: float, moment_s: float | None) -> int | None:
    return None if moment_s is None else _us(moment_s - begin_s)


def _observations(rows: Any) -> Observations:
    planned_s, sent_s = (_floats(rows[name]) / 1e6 for name in ("planned_us", "sent_us"))
    sent_s += planned_s
    return Observations(
        round=rows["round"].to_numpy().astype(np.int64),
        planned_s=planned_s,
        sent_s=sent_s,
        first_byte_s=sent_s + _floats(rows["first_byte_us"]) / 1e6,
        done_s=sent_s + _floats(rows["done_us"]) / 1e6,
        documents=_floats(rows["documents"]),
        tokens=_floats(rows["tokens"]),
        errors=rows["error"].to_pylist(),
        busy=_floats(rows["busy"]),
        stages_ms={
            name.removeprefix(STAGE).removesuffix(US): _floats(rows[name]) / 1000
            for name in _stage_columns(rows.schema.names)
            if rows[name].null_count < len(rows)
        },
    )


def _stage_columns(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(STAGE)]


def _floats(column: Any) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
