"""The metrics of all workers, whichever of them is scraped: each gives its own to the others over a Unix socket.

The samples of every worker stand side by side, told apart by the label `worker`, so that nothing is added up that
cannot be (a throughput); one that does not answer, because it is being replaced, is left out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LABEL = "worker"
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Worker:
    """One of several worker processes."""

    number: int
    folder: Path
    """The folder of all workers' sockets."""


class WorkerMetrics:
    """One worker's metrics with those of the others; those of a server without workers have no label `worker`."""

    def __init__(self, worker: Worker | None, own: Callable[[], bytes]) -> None:
        """Make the metrics of a worker, None for a lone server; `own` gives its metrics in Prometheus' text format."""
        self._socket = None if worker is None else worker.folder / str(worker.number)
        self._own = own

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Give the others its own metrics meanwhile."""
        if self._socket is None:
            yield
            return
        self._socket.unlink(missing_ok=True)  # left by a worker that died
        server = await asyncio.start_unix_server(self._answer, self._socket)
        try:
            yield
        finally:
            server.close()
            self._socket.unlink(missing_ok=True)

    async def metrics(self) -> bytes:
        """Every worker's metrics in Prometheus' text format."""
        if self._socket is None:
            return self._own()
        sockets = sorted(self._socket.parent.iterdir())
        texts = await asyncio.gather(*(self._fetch(socket) for socket in sockets))
        return merged({socket.name: text for socket, text in zip(sockets, texts, strict=True) if text})

    async def _fetch(self, socket: Path) -> str:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(socket)
                try:
                    text = (await reader.read(-1)).decode()
                    return text if text.endswith("\n") else ""  # a worker that died wrote only half
                finally:
                    writer.close()
        return ""

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(self._own())
            await writer.drain()
        writer.close()


def merged(texts: dict[str, str]) -> bytes:
    """Join texts in Prometheus' format by worker: one family of a name, every sample with its worker's label."""
    families: dict[str, Metric] = {}
    for worker, text in texts.items():
        for family in text_string_to_metric_families(text):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [sample._replace(labels={LABEL: worker} | sample.labels) for sample in family.samples]
    registry = CollectorRegistry()
    registry.register(_Families(list(families.values())))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
