"""Traffic for the measurements of the engine: requests of real pairs, open loops, percentiles, records and options.

The loops are those of `bench.latency.loops`; the open loop here runs for a duration instead of a number of requests.
"""

import contextlib
import itertools
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


class RequestSupply:
    """Requests from a file of [query, passage] pairs: its queries in turn, with passages drawn from the whole file.

    No passage occurs twice in a request, and none is drawn again with its query before all others have been: a server
    need not compute such a pair twice. What is repeated nevertheless is counted.
    """

    def __init__(self, pairs: Path, seed: int = 0) -> None:
        read = json.loads(pairs.read_text())
        self._draw = random.Random(seed)
        self._passages = list(dict.fromkeys(passage for _, passage in read))
        queries = list(dict.fromkeys(query for query, _ in read))
        self._draw.shuffle(queries)
        self._queries = itertools.cycle(queries)
        self._unsent: dict[str, list[str]] = {}
        self._exhausted: set[str] = set()
        self._path = pairs
        self.pairs = self.repeated_pairs = 0

    def take(self, documents: int, count: int) -> list[Request]:
        """Return the next `count` requests of `documents` passages; ClickException if there are too few passages."""
        if documents > len(self._passages):
            raise click.ClickException(
                f"a request of {documents} documents would repeat some, which a server need not compute again: the "
                f"number of distinct passages in {self._path} is {len(self._passages)}"
            )
        return [self._request(documents) for _ in range(count)]

    def report(self) -> None:
        """Print how many pairs were drawn again, if any were."""
        if self.repeated_pairs:
            click.echo(
                f"{self.repeated_pairs} of {self.pairs} pairs were sent before; a server that caches scores did not "
                f"compute them again: give --pairs a longer file"
            )

    def _request(self, documents: int) -> Request:
        query = next(self._queries)
        unsent = self._unsent.get(query, [])
        self.pairs += documents
        if len(unsent) < documents:
            if query in self._unsent:
                self._exhausted.add(query)
            unsent = self._draw.sample(self._passages, len(self._passages))
        self.repeated_pairs += documents if query in self._exhausted else 0
        self._unsent[query] = unsent[documents:]
        return Request("", query, unsent[:documents])


async def open_loop(
    client: Client, supply: RequestSupply, documents: int, per_s: float, seconds: float, seed: int = 0
) -> list[Sample]:
    """Send requests as a Poisson process with a mean of `per_s` per second; wait for the last answer."""
    draw, at = random.Random(seed), 0.0
    moments_s = []
    while (at := at + draw.expovariate(per_s)) < seconds:
        moments_s.append(at)
    return await loops.open_loop(client, supply.take(documents, len(moments_s)), moments_s)


def latency_ms(samples: Sequence[Sample], percentile: float) -> float:
    """Return a percentile of successful requests' latency, from the planned time; NaN if there are none."""
    taken = [(sample.done_s - sample.planned_s) * 1000 for sample in samples if sample.error is None]
    return float(np.percentile(taken, percentile)) if taken else float("nan")


def documents_per_s(samples: Sequence[Sample], seconds: float | None = None) -> float:
    """Return the documents per second of successful requests over the wall time, or over `seconds`."""
    good = [sample for sample in samples if sample.error is None]
    wall_s = max(s.done_s for s in samples) - min(s.planned_s for s in samples) if seconds is None else seconds
    return sum(sample.documents for sample in good) / wall_s


@contextlib.contextmanager
def reranker(url: str | None, command: str) -> Iterator[str]:
    """Yield the given URL, or that of a server started for the duration of the block."""
    if url is not None:
        yield url
    else:
        with local_server(command, start_timeout_s=120) as started:
            yield started


def write(path: Path | None, url: str, server: dict[str, Any] | None, settings: dict[str, Any], found: Any) -> None:
    """Write a record: the results with all raw samples, and their provenance."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"provenance": to_builtins(gather(url, server, settings)), "columns": COLUMNS, "found": _rows(found)}
        path.write_text(json.dumps(record) + "\n")
        click.echo(f"raw samples: {path}")


COLUMNS = ("documents", "planned_s", "sent_s", "first_byte_s", "done_s", "status", "tokens")
"""The columns of a sample's row in a record."""


def _rows(found: Any) -> Any:
    """Convert samples to rows, rounded to a tenth of a millisecond to keep records small."""
    if isinstance(found, dict):
        return {name: _rows(value) for name, value in found.items()}
    if isinstance(found, list) and found and isinstance(found[0], Sample):
        values = ([getattr(sample, column) for column in COLUMNS] for sample in found)
        return [[round(value, 4) if isinstance(value, float) else value for value in row] for row in values]
    return to_builtins(found)


PAIRS = click.option(
    "--pairs", type=click.Path(exists=True, path_type=Path), required=True, help="JSON file [[query, passage], …]."
)
URL = click.option("--url", help="URL of a running reranker; by default one is started.")
ROUTE = click.option("--route", default="/v1/rerank", show_default=True, help="Route of the rerank endpoint.")
SERVER = click.option("--server", default="rerank serve", show_default=True, help="Command that starts the server.")
OUT = click.option("--out", type=click.Path(path_type=Path), help="File to write all samples to.")
