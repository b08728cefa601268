"""The records of the latency stage: the description of a profile, and the figures of its points.

A profile is one contestant's answers to a sweep. Its samples are in `latency/<profile>.parquet` with a ProfileNote in
the file's metadata; `latency/<profile>.json` is a LatencyRecord with the same note and the figures that
`summary.summarise` computes from the samples alone.
"""

from pathlib import Path

import msgspec

from bench.errors import DataError
from bench.records import CandidatesNote, ContestantNote, DatasetNote, Estimate, Provenance
from bench.wording import counted

FORMAT = 2
"""Format 1 had the samples of one closed loop in the JSON file itself."""


class Point(msgspec.Struct, frozen=True):
    """One point of a sweep: the kind of request and the load. Equal points of two profiles are compared."""

    dataset: str
    split: str
    documents: int
    """Documents per request."""
    length: str
    """Length of each document: `any`, `short`, `long`, or bounds in characters."""
    loop: str
    """`closed`: a client sends its next request when the last one is answered, so a stall reduces the load.
    `open`: requests are sent at planned times, however the server responds."""
    concurrency: int | None = None
    """Number of clients of a closed loop."""
    rate_per_s: float | None = None
    """Average requests per second of an open loop."""
    arrivals: str | None = None
    """`poisson` or `constant`."""

    @property
    def load(self) -> str:
        """The load and the kind of loop in words."""
        if self.loop == "closed":
            return f"closed loop, concurrency {self.concurrency}"
        return f"open loop, {counted(self.rate_per_s or 0, 'request', 'g')}/s {self.arrivals}"

    def __str__(self) -> str:
        """Describe the point in words; the random arrivals of an open loop are seeded with this text."""
        length = "" if self.length == "any" else f" of {self.length} length"
        return f"{self.dataset}: {counted(self.documents, 'document')}{length} a request, {self.load}"


class PointPlan(msgspec.Struct, frozen=True):
    """A point with everything else that must be equal for samples to belong together."""

    point: Point
    requests: int
    """Measured requests, over all rounds."""
    rounds: int
    """Number of rounds; contestants measured together alternate by round."""
    warm_up: int
    """Warm-up requests before the first round, not counted in the figures."""
    seed: int
    """Random seed of the arrivals."""
    low_characters: int
    high_characters: int
    """The bounds in characters that the length class means in this dataset."""
    distinct_requests: int
    """Fewer than the requests sent if the workload was repeated."""
    filled_documents: int
    """Documents taken from the corpus because a query had too few candidates, over all requests."""
    workload_sha256: str
    """Hash of the texts of the whole workload, from which the requests are taken in order."""


class ProfileNote(msgspec.Struct, frozen=True):
    """The description of a profile."""

    profile: str
    contestant: ContestantNote
    run: str
    """The same in profiles measured by one command, taking turns."""
    provenance: Provenance
    datasets: list[DatasetNote]
    candidates: dict[str, CandidatesNote]
    """By dataset."""
    plans: list[PointPlan]
    repeated_pairs: list[int | None] = []
    """For each plan, how many of its measured pairs of query and passage were sent to this server before: in a warm-up,
    at this point, at an earlier one, or for an earlier contestant of the command. A server that caches scores need not
    compute them again. None, or a shorter list, if a version that did not count them measured it."""
    format: int = FORMAT

    def repeated(self, plan: PointPlan) -> int | None:
        """Return how many of a plan's measured pairs had been sent before; None if they were not counted."""
        index = self.plans.index(plan)
        return self.repeated_pairs[index] if index < len(self.repeated_pairs) else None


class Lateness(msgspec.Struct, frozen=True):
    """How well the load generator kept to its plan."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    """Actual minus planned sending time. In a closed loop a request is planned for the moment its client is free."""
    busy: float
    """The share of one CPU core that the generator used in its busiest round; 1 is its limit."""


class LatencySummary(msgspec.Struct, frozen=True):
    """The figures of a point. Percentiles are of successes; None if nothing succeeded or the plan was not kept."""

    requests: int
    errors: int
    error_rate: float
    reasons: list[str]
    """The most frequent kinds of failure with their counts."""
    lateness: Lateness
    refused: str | None
    """Why there are no percentiles although requests succeeded: the generator did not keep to its plan."""
    p50_ms: Estimate | None = None
    p90_ms: Estimate | None = None
    p99_ms: Estimate | None = None
    mean_ms: Estimate | None = None
    first_byte_p50_ms: Estimate | None = None
    """From the planned sending time, like the other latencies."""
    first_byte_p90_ms: Estimate | None = None
    documents_per_s: Estimate | None = None
    tokens_per_s: Estimate | None = None
    """None if the reranker does not report tokens."""
    stages_p50_ms: dict[str, Estimate] = {}
    stages_p90_ms: dict[str, Estimate] = {}
    """By stage of Server-Timing, for successful requests."""


class PointFigures(msgspec.Struct, frozen=True):
    """One point's plan and figures."""

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
    """The interval, simultaneous with all others of the comparison; None if the figure is not judged."""
    high: float | None
    verdict: str
    """B compared with A: `faster`, `slower` or `no difference shown`."""
    why_not_judged: str | None = None


class Comparison(msgspec.Struct, frozen=True, tag_field="record", tag="comparison"):
    """The comparison of profile B with profile A."""

    a: str
    b: str
    one_run: bool
    """Whether they took turns in one command, so that the machine's noise affected both."""
    differing: list[str]
    """Differences that make the ratios invalid as a comparison of rerankers: other texts, another machine."""
    noted: list[str]
    """Other differences: the model, its settings, the number of requests."""
    ratios: list[Ratio]
    not_compared: list[str]
    """Points of A that B lacks, or that have no percentiles in one of them, and why."""
    more_errors: list[str]
    """Points at which B failed more often than A."""


class LatencyRecord(msgspec.Struct, frozen=True, tag_field="record", tag="latency"):
    """The figures that `rerank-bench latency` writes beside the samples."""

    note: ProfileNote
    points: list[PointFigures]
    """In the order of the plan, without unfinished points."""
    format: int = FORMAT


def read(path: Path) -> LatencyRecord:
    """Read the figures; DataError if the file is not a latency record of this format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LatencyRecord)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} contains no latency figures of format {FORMAT}: {error}") from error
