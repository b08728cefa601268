"""The samples of a load test, one line per request, and exact statistics of them.

locust rounds response times before it counts them; here every request is kept unrounded, percentiles are those of
successful requests, and errors are counted separately. The file is JSON Lines: a header, then one request per line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.client.replies import server_timing_ms
from bench.errors import DataError
from bench.records import Estimate, Provenance, Sample
from bench.tables import cell, text_table
from bench.wording import counted


class LoadHeader(msgspec.Struct, frozen=True, tag_field="line", tag="header"):
    """The first line of the file."""

    provenance: Provenance
    loop: str = "closed"
    """Always `closed`: a locust user waits for its answer, so `planned_s` equals `sent_s`."""
    queries: int | None = None
    """Distinct queries of the dataset. Further ones than `queries` times `passages` pairs are repeated."""
    passages: int | None = None
    """Distinct passages of the dataset."""
    format: int = 1


class LoadSample(msgspec.Struct, frozen=True, tag_field="line", tag="request"):
    """One request of one user."""

    dialect: str
    worker: int
    sample: Sample
    """Times count from the start of the test on the master's clock; workers' clocks must be synchronised with it."""
    repeated_pairs: int | None = None
    """How many of its pairs of query and passage were sent before in the test; None if they were not counted."""


class Reported(msgspec.Struct, frozen=True):
    """A request as the process that sent it reports it."""

    sample: LoadSample
    pairs: list[int]
    """The numbers of its pairs."""


class LoadFigures(msgspec.Struct, frozen=True):
    """The statistics of a group of requests; percentiles are None if nothing succeeded."""

    requests: int
    errors: int
    requests_per_s: float
    """All requests over the duration of the test, from the first request sent to the last one done."""
    documents_per_s: float
    """Documents of successful requests, over the same time."""
    p50_ms: Estimate | None
    p90_ms: Estimate | None
    p99_ms: Estimate | None


def read(path: Path) -> tuple[LoadHeader, list[LoadSample]]:
    """Read a file of samples, ignoring an incomplete last line; DataError if it is not such a file."""
    try:
        first, *lines = path.read_bytes().split(b"\n")
        header = msgspec.json.decode(first, type=LoadHeader)
        return header, [msgspec.json.decode(line, type=LoadSample) for line in lines[:-1]]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} does not contain samples of a load test: {error}") from error


def of_request(request: Mapping[str, Any], worker: int) -> list[Reported]:
    """Return the report of a request event of locust, in Unix seconds; empty if the request is not from this test."""
    context, response = request["context"], request["response"]
    if "dialect" not in context:
        return []
    sent_unix_s, error = request["start_time"], request["exception"]
    headers = getattr(response, "headers", None) or {}
    sample = Sample(
        query_id=context["query_id"],
        documents=context["documents"],
        planned_s=sent_unix_s,
        sent_s=sent_unix_s,
        done_s=sent_unix_s + request["response_time"] / 1000,
        status=response.status_code or None,
        server_timing_ms=server_timing_ms(headers.get("Server-Timing", "")),
        error=None if error is None else str(error),
    )
    return [Reported(LoadSample(context["dialect"], worker, sample), context["pairs"])]


def duration_s(samples: Sequence[Sample]) -> float:
    """Return the seconds from the first request sent to the last one done."""
    return max(sample.done_s for sample in samples) - min(sample.sent_s for sample in samples)


def figures(samples: Sequence[Sample], test_s: float) -> LoadFigures:
    """Compute the statistics of at least one request of a test that took `test_s`."""
    good = [sample for sample in samples if sample.error is None]
    latency_ms = np.array([(sample.done_s - sample.sent_s) * 1000 for sample in good], dtype=np.float64)
    return LoadFigures(
        requests=len(samples),
        errors=len(samples) - len(good),
        requests_per_s=len(samples) / test_s,
        documents_per_s=sum(sample.documents for sample in good) / test_s,
        p50_ms=_percentile(latency_ms, 50),
        p90_ms=_percentile(latency_ms, 90),
        p99_ms=_percentile(latency_ms, 99),
    )


def _percentile(latency_ms: NDArray[np.float64], rank: float) -> Estimate | None:
    """Return a percentile with its 95 % interval, whose bounds are two of the observed times.

    The number of times below the true percentile is binomial: n q ± 1.96 standard deviations (David and Nagaraja, Order
    Statistics, 2003, 7.1). The bootstrap converges to the same interval, but takes minutes for a long test.
    """
    if not len(latency_ms):
        return None
    deviation = 196 * np.sqrt(rank / 100 * (1 - rank / 100) / len(latency_ms))
    value, low, high = np.percentile(latency_ms, [rank, max(0, rank - deviation), min(100, rank + deviation)])
    return Estimate(float(value), float(low), float(high))


def table(samples: Sequence[LoadSample]) -> str:
    """Format the statistics: one line per dialect and request size, and one for all."""
    if not samples:
        return "from raw samples: no request was answered"
    groups: dict[str, list[Sample]] = {}
    for at in samples:
        groups.setdefault(f"{at.dialect}, {counted(at.sample.documents, 'document')}", []).append(at.sample)
    every = [at.sample for at in samples]
    test_s = duration_s(every)
    rows = [(name, figures(groups[name], test_s)) for name in sorted(groups, key=_natural)]
    rows.append(("all", figures(every, test_s)))
    heads = ("", "requests", "errors", "requests/s", "documents/s", "P50 ms", "P90 ms", "P99 ms")
    lines = text_table([heads, *(_cells(name, of) for name, of in rows)], indent=0)
    return "\n".join(
        ["from raw samples, closed loop; percentiles of successes; [95 % interval]", *lines, *_repeated(samples)]
    )


def _repeated(samples: Sequence[LoadSample]) -> list[str]:
    """Say what share of the pairs was sent before; nothing if it was not counted."""
    counts = [at.repeated_pairs for at in samples if at.repeated_pairs is not None]
    if not counts:
        return []
    pairs = sum(at.sample.documents for at in samples)
    repeated = f"repeated pairs: {sum(counts)} of {pairs} pairs of query and passage ({sum(counts) / pairs:.0%})"
    if not any(counts):
        return [repeated]
    return [f"{repeated} were sent before in this test; a server that caches scores did not compute them again"]


def _natural(name: str) -> tuple[str, int]:
    dialect, _, size = name.partition(", ")
    return dialect, int(size.split()[0])


def _cells(name: str, of: LoadFigures) -> tuple[str, ...]:
    rates = (f"{of.requests_per_s:.2f}", f"{of.documents_per_s:.1f}")
    return (name, str(of.requests), str(of.errors), *rates, *(cell(at, 1) for at in (of.p50_ms, of.p90_ms, of.p99_ms)))
