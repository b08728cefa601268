"""The records of the latency stage: what a profile says of itself, and the figures of its points.

A profile is one contestant's answers to a sweep. Its samples lie in `latency/<profile>.parquet` with a ProfileNote in
the file's metadata; `latency/<profile>.json` is a LatencyRecord: the same note, and figures that `summary.summarise`
computes from the samples alone, so that they can be made again.
"""

from pathlib import Path

import msgspec

from bench.errors import DataError
from bench.records import CandidatesNote, ContestantNote, DatasetNote, Estimate, Provenance

FORMAT = 2
"""1 held the samples of one closed loop in the JSON file itself."""


class Point(msgspec.Struct, frozen=True):
    """One point of a sweep: what is sent how fast. Equal points of two profiles are compared."""

    dataset: str
    split: str
    documents: int
    """Of each request."""
    length: str
    """Of each document: `any`, `short`, `long`, or bounds in characters."""
    loop: str
    """`closed`: a client sends its next request when its last one is answered, so a stall hides the load behind it.
    `open`: requests are sent at moments planned before, whatever the server does."""
    concurrency: int | None = None
    """Clients of a closed loop."""
    rate_per_s: float | None = None
    """Requests a second of an open loop, on average."""
    arrivals: str | None = None
    """`poisson` or `constant`."""

    @property
    def load(self) -> str:
        """The load in words, the kind of loop with it."""
        if self.loop == "closed":
            return f"closed loop, concurrency {self.concurrency}"
        return f"open loop, {self.rate_per_s:g} requests/s {self.arrivals}"

    def __str__(self) -> str:
        """The point in words."""
        length = "" if self.length == "any" else f" of {self.length} length"
        documents = "1 document" if self.documents == 1 else f"{self.documents} documents"
        return f"{self.dataset}: {documents}{length} a request, {self.load}"


class PointPlan(msgspec.Struct, frozen=True):
    """A point and everything else that must be equal for its samples to be of the same kind."""

    point: Point
    requests: int
    """Measured requests, over all rounds."""
    rounds: int
    """Turns in which they are sent; contestants that are measured together alternate by round."""
    warm_up: int
    """Requests before the first round, kept apart."""
    seed: int
    """Of the arrivals."""
    low_characters: int
    high_characters: int
    """What the length means in this dataset: bounds of the documents."""
    distinct_requests: int
    """Fewer than are sent where the workload was walked through more than once."""
    filled_documents: int
    """Documents that came from further corpus passages because a query had too few candidates, over all requests."""
    workload_sha256: str
    """Over the texts of the whole workload, from which the requests are taken in order."""


class ProfileNote(msgspec.Struct, frozen=True):
    """What a profile is of."""

    profile: str
    contestant: ContestantNote
    run: str
    """Equal in profiles that were measured in one command, taking turns."""
    provenance: Provenance
    datasets: list[DatasetNote]
    candidates: dict[str, CandidatesNote]
    """By dataset."""
    plans: list[PointPlan]
    format: int = FORMAT


class Lateness(msgspec.Struct, frozen=True):
    """How well the generator kept its own plan."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    """Sent minus planned. In a closed loop a request is planned for the moment when its client is free."""
    busy: float
    """The share of one CPU core that the generator used, in its busiest round: at 1 it can do no more."""


class LatencySummary(msgspec.Struct, frozen=True):
    """The figures of a point. Percentiles are of successes; None where nothing succeeded or the plan was not kept."""

    requests: int
    errors: int
    error_rate: float
    reasons: list[str]
    """The most frequent kinds of failure, each with how often it was."""
    lateness: Lateness
    refused: str | None
    """Why there are no percentiles although requests succeeded: the generator could not keep its plan."""
    p50_ms: Estimate | None = None
    p90_ms: Estimate | None = None
    p99_ms: Estimate | None = None
    mean_ms: Estimate | None = None
    first_byte_p50_ms: Estimate | None = None
    """From the planned moment, as the others."""
    first_byte_p90_ms: Estimate | None = None
    documents_per_s: Estimate | None = None
    tokens_per_s: Estimate | None = None
    """None where the reranker does not tell tokens."""
    stages_p50_ms: dict[str, Estimate] = {}
    stages_p90_ms: dict[str, Estimate] = {}
    """By stage of Server-Timing, of successes."""


class PointFigures(msgspec.Struct, frozen=True):
    """One point's plan and what came of it."""

    plan: PointPlan
    summary: LatencySummary


class Ratio(msgspec.Struct, frozen=True):
    """B's figure over A's at one point."""

    point: Point
    figure: str
    """`P50`, `P90`, `P99`, `mean`, `documents/s`, or a stage of Server-Timing such as `inference P50`."""
    stage: bool
    a: float
    b: float
    ratio: float
    low: float | None
    """The interval, which holds together with all others of the comparison; None where it is not judged."""
    high: float | None
    verdict: str
    """Of B against A: `faster`, `slower` or `no difference shown`."""
    why_not_judged: str | None = None


class Comparison(msgspec.Struct, frozen=True, tag_field="record", tag="comparison"):
    """Profile B against profile A."""

    a: str
    b: str
    one_run: bool
    """Whether they took turns in one command, so that the machine's noise fell on both."""
    differing: list[str]
    """What makes the ratios those of something else than the rerankers: other texts, another machine."""
    noted: list[str]
    """What else differs: the model, its settings, how much was measured."""
    ratios: list[Ratio]
    not_compared: list[str]
    """Points of A that B lacks, or that have no percentiles in one of them, and why."""
    more_errors: list[str]
    """Points at which B failed more often than A."""


class LatencyRecord(msgspec.Struct, frozen=True, tag_field="record", tag="latency"):
    """What `rerank-bench latency` writes beside the samples."""

    note: ProfileNote
    points: list[PointFigures]
    """In the order of the plan; a point that is not finished is absent."""
    format: int = FORMAT


def read(path: Path) -> LatencyRecord:
    """Read figures back; DataError where the file holds none of this format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LatencyRecord)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} holds no latency figures of format {FORMAT}: {error}") from error
