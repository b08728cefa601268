"""locust as its user starts it: a master and workers, or one process, each a true process that is gone afterwards."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.samples import LoadSample, read
from tests.support.server import clean_environ, free_port

ROOT = Path(__file__).parents[2]
LOCUST = (str(Path(sys.executable).parent / "locust"), "-f", str(ROOT / "bench" / "locustfile.py"))

ENVIRON = clean_environ() | {"RERANKER_API_KEY": "right"}


@dataclass(frozen=True)
class Swarm:
    """What a finished load test left."""

    code: int
    out: str
    log: str
    samples: list[LoadSample]
    locust_requests: int


def start(*flags: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*LOCUST, *flags], cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def swarm(folder: Path, url: str, *flags: str, workers: int = 0, timeout_s: float = 60) -> Swarm:
    """Run a headless test to its end; the samples and locust's own figures of it."""
    port = str(free_port())
    master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port] if workers else []
    expected = ["--expect-workers", str(workers)] if workers else []
    quiet = ["--headless", "--only-summary", "--stop-timeout", "20"]
    kept = ["--samples", str(folder / "samples.jsonl"), "--csv", str(folder / "locust")]
    processes = [start("--worker", "--master-host", "127.0.0.1", "--master-port", port) for _ in range(workers)]
    try:
        leader = subprocess.Popen(
            [*LOCUST, "--host", url, *master, *expected, *quiet, *kept, *flags],
            cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        processes.append(leader)
        out, log = leader.communicate(timeout=timeout_s)
        for worker in processes:
            worker.wait(timeout=20)
    finally:
        _end(processes)
    samples = read(folder / "samples.jsonl")[1] if (folder / "samples.jsonl").exists() else []
    requests = _locusts_own(folder / "locust_stats.csv")
    return Swarm(leader.returncode, out.decode(), log.decode(), samples, requests)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _locusts_own(file: Path) -> int:
    """The number of requests in locust's own table; its last row is the sum of all."""
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    return int(rows[-1]["Request Count"]) if rows else 0
