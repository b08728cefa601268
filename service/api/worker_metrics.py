"""The metrics of all workers, whichever of them is scraped: workers exchange their metrics over Unix sockets.

The samples of the workers are kept apart by the label `worker`, since some cannot be added up. A worker that does not
answer because it is being replaced is left out.
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
    """The folder that holds the sockets of all workers."""


class WorkerMetrics:
    """The metrics of this worker and of the others; a server without workers has no label `worker`."""

    def __init__(self, worker: Worker | None, own: Callable[[], bytes]) -> None:
        """Collect for `worker`, None for a single process; `own` returns its metrics in Prometheus' text format."""
        self._socket = None if worker is None else worker.folder / str(worker.number)
        self._own = own

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve this worker's metrics to the others in the meantime."""
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
        """Return the metrics of all workers in Prometheus' text format."""
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
                    return text if text.endswith("\n") else ""  # a dying worker may have written only half
                finally:
                    writer.close()
        return ""

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(self._own())
            await writer.drain()
        writer.close()


def merged(texts: dict[str, str]) -> bytes:
    """Merge the workers' metrics: one family per name, each sample with the label of its worker."""
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
