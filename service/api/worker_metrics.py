"""The metrics of all workers, whichever of them is asked: each gives its own to the others over a Unix socket.

The samples of every worker stand side by side, told apart by the label `worker`, so that nothing is added up that
cannot be (a ratio, a rate); one that does not answer, because it is being replaced, is left out.
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
    """Which of several a process is."""

    number: int
    folder: Path
    """Of the workers' sockets, the same for all."""


class WorkerMetrics:
    """One worker's place among the others; a server that has none is its only one, and its metrics have no label."""

    def __init__(self, worker: Worker | None, own: Callable[[], bytes]) -> None:
        """Take a worker's place; `own` gives its metrics in Prometheus' text format."""
        self._place = None if worker is None else worker.folder / str(worker.number)
        self._own = own

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answer the others meanwhile."""
        if self._place is None:
            yield
            return
        self._place.unlink(missing_ok=True)  # of a worker that died
        server = await asyncio.start_unix_server(self._answer, self._place)
        try:
            yield
        finally:
            server.close()
            self._place.unlink(missing_ok=True)

    async def metrics(self) -> bytes:
        """Every worker's metrics in Prometheus' text format."""
        if self._place is None:
            return self._own()
        places = sorted(self._place.parent.iterdir())
        texts = await asyncio.gather(*(self._ask(place) for place in places))
        return merged({place.name: text for place, text in zip(places, texts, strict=True) if text})

    async def _ask(self, place: Path) -> str:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(place)
                try:
                    text = (await reader.read(-1)).decode()
                    return text if text.endswith("\n") else ""  # half of it, of one that died
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
