"""The metrics of several workers: those that answer whole, each with its label."""

import asyncio
from pathlib import Path

from service.api.worker_metrics import Worker, WorkerMetrics

METRICS = b'# HELP rerank_ready 1 once warm.\n# TYPE rerank_ready gauge\nrerank_ready{model="m"} 1.0\n'


def test_a_worker_that_is_gone_or_dies_in_the_middle_of_its_answer_is_left_out(tmp_path: Path) -> None:
    """Its socket file is still there, or half a line came from it; the others are told all the same."""

    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(METRICS + b'rerank_http_requests_total{route="/v1/re')
        writer.close()

    async def test() -> str:
        (tmp_path / "3").touch()
        dying = await asyncio.start_unix_server(half, tmp_path / "2")
        zero, one = (WorkerMetrics(Worker(number, tmp_path), lambda: METRICS) for number in (0, 1))
        async with zero.listening(), one.listening():
            text = (await zero.metrics()).decode()
        dying.close()
        return text

    text = asyncio.run(test())
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'rerank_ready{model="m",worker="0"} 1.0',
        'rerank_ready{model="m",worker="1"} 1.0',
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]


def test_a_server_without_workers_gives_its_own() -> None:
    """As they are."""
    assert asyncio.run(WorkerMetrics(None, lambda: METRICS).metrics()) == METRICS
