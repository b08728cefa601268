"""Check that our requests per second agree with locust's to 2 %: `python -m tools.bench.locust_minute`.

Eight users in two worker processes load the real server for a minute, which is too long for the test suite. The program
prints both figures and exits with 1 if they differ by more, or if the server counted a different number of requests.
"""

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import httpx

import bench
from bench.load.samples import duration_s, read
from bench.local_server import local_server

LOCUST = str(Path(sys.executable).parent / "locust")
LOCUSTFILE = Path(bench.__file__).with_name("locustfile.py")
TOLERANCE = 0.02
TIMEOUT_S = 60.0


@click.command(context_settings={"show_default": True})
@click.option("--seconds", default=60, help="How long the users send requests.")
def main(seconds: int) -> None:
    """Run a load test and compare our request rate with locust's; exit with 1 if they differ by more than 2 %."""
    with local_server("rerank serve", TIMEOUT_S) as url, tempfile.TemporaryDirectory() as folder:
        samples, csv_prefix = Path(folder) / "samples.jsonl", Path(folder) / "locust"
        flags = [
            "--headless",
            "--only-summary",
            "--stop-timeout",
            "20",
            "--processes",
            "2",
            "-u",
            "8",
            "-r",
            "8",
            "-t",
            str(seconds),
        ]
        subprocess.run(
            [LOCUST, "-f", LOCUSTFILE, "--host", url, *flags, "--samples", samples, "--csv", csv_prefix],
            check=True,
            timeout=seconds + TIMEOUT_S,
        )
        served_requests = _reranked(url)
        requests = read(samples)[1]
        locust_requests, locust_per_s = _locusts_own(Path(f"{csv_prefix}_stats.csv"))
    per_s = len(requests) / duration_s([request.sample for request in requests])
    difference = per_s / locust_per_s - 1
    click.echo(f"requests: server {served_requests}, locust {locust_requests}, samples {len(requests)}")
    click.echo(f"requests/s: locust {locust_per_s:.3f}, samples {per_s:.3f}, {difference:+.2%}")
    sys.exit(not (abs(difference) <= TOLERANCE and served_requests == locust_requests == len(requests)))


def _reranked(url: str) -> int:
    """Return the number of requests that the server has counted on `/v1/rerank`."""
    metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    counts = re.findall(r'^rerank_http_requests_total{[^}]*route="/v1/rerank"[^}]*} (\S+)$', metrics, re.MULTILINE)
    return int(sum(map(float, counts)))


def _locusts_own(file: Path) -> tuple[int, float]:
    """Return locust's number of requests and requests per second, from the last row, which is the total."""
    with file.open() as lines:
        total = list(csv.DictReader(lines))[-1]
    return int(total["Request Count"]), float(total["Requests/s"])


if __name__ == "__main__":
    main()
