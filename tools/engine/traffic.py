"""Traffic for the engine's measurements: requests of real pairs, closed and open loops, percentiles of samples.

The loops are those of `bench.latency.loops`, the open one for so many seconds instead of so many requests.
"""

import contextlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from msgspec import to_builtins

from bench.client.client import Client
from bench.latency import loops
from bench.latency.workload import Request
from bench.local_server import local_server
from bench.provenance import gather
from bench.records import Sample


def make_requests(pairs: Path, documents: int, count: int, seed: int = 0) -> list[Request]:
    """Make requests of a file of [query, passage] pairs: a query with passages drawn from all of them."""
    read = json.loads(pairs.read_text())
    passages = [passage for _, passage in read]
    draw = random.Random(seed)
    return [
        Request("", draw.choice(read)[0], draw.sample(passages, min(documents, len(passages)))) for _ in range(count)
    ]


async def open_loop(
    client: Client, work: Sequence[Request], per_s: float, seconds: float, seed: int = 0
) -> list[Sample]:
    """Send requests at random moments (a Poisson process), so many a second on average; wait for the last answer."""
    draw, at = random.Random(seed), 0.0
    moments_s = []
    while (at := at + draw.expovariate(per_s)) < seconds:
        moments_s.append(at)
    return await loops.open_loop(client, [work[place % len(work)] for place in range(len(moments_s))], moments_s)


def latency_ms(samples: Sequence[Sample], percentile: float) -> float:
    """A percentile of the successes' latencies, from the planned moment; NaN without any."""
    taken = [(sample.done_s - sample.planned_s) * 1000 for sample in samples if sample.error is None]
    return float(np.percentile(taken, percentile)) if taken else float("nan")


def documents_per_s(samples: Sequence[Sample], seconds: float | None = None) -> float:
    """Documents of successes over the wall time, or over so many seconds."""
    good = [sample for sample in samples if sample.error is None]
    wall_s = max(s.done_s for s in samples) - min(s.planned_s for s in samples) if seconds is None else seconds
    return sum(sample.documents for sample in good) / wall_s


@contextlib.contextmanager
def reranker(url: str | None, command: str) -> Iterator[str]:
    """The URL that is given, or that of a server started for this."""
    if url is not None:
        yield url
    else:
        with local_server(command, start_timeout_s=120) as started:
            yield started


def write(path: Path | None, url: str, server: dict[str, Any] | None, settings: dict[str, Any], found: Any) -> None:
    """Write a record: what was found, every raw sample in it, and how it was made."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"provenance": to_builtins(gather(url, server, settings)), "columns": COLUMNS, "found": _rows(found)}
        path.write_text(json.dumps(record) + "\n")
        click.echo(f"raw samples: {path}")


COLUMNS = ("documents", "planned_s", "sent_s", "first_byte_s", "done_s", "status", "tokens")
"""What a sample's row in a record holds."""


def _rows(found: Any) -> Any:
    """Samples as rows, to a tenth of a millisecond: a record of thousands stays small."""
    if isinstance(found, dict):
        return {name: _rows(value) for name, value in found.items()}
    if isinstance(found, list) and found and isinstance(found[0], Sample):
        values = ([getattr(sample, column) for column in COLUMNS] for sample in found)
        return [[round(value, 4) if isinstance(value, float) else value for value in row] for row in values]
    return to_builtins(found)


PAIRS = click.option(
    "--pairs", type=click.Path(exists=True, path_type=Path), required=True, help="[[query, passage], …]"
)
URL = click.option("--url", help="A reranker that runs already, instead of starting one.")
ROUTE = click.option("--route", default="/v1/rerank", show_default=True, help="Where it takes requests.")
SERVER = click.option("--server", default="rerank serve", show_default=True, help="The command that starts one.")
OUT = click.option("--out", type=click.Path(path_type=Path), help="File for the record with every sample.")
