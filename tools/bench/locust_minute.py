"""`python -m tools.bench.locust_minute`: do locust's requests per second and ours agree to 2 % over a minute?

Eight users, two workers, one minute, against the real server. Too long for the suite; prints both and exits 1 where
they differ by more, or where the server counted another number of requests.
"""

import sys
import tempfile
from pathlib import Path

import click

from bench.load.samples import duration_s
from tests.bench.load.test_locust import reranked
from tests.support.server import Server
from tests.support.swarm import swarm

AGREE = 0.02


def main() -> None:
    """Run it."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        flags = ["-u", "8", "-r", "8", "-t", "60"]
        found = swarm(Path(folder), server.url, *flags, workers=2, timeout_s=120)
        served = reranked(server, "/v1/rerank")
    ours = len(found.samples) / duration_s([at.sample for at in found.samples])
    differ = ours / found.locust_per_s - 1
    click.echo(found.out)
    click.echo(f"requests: server {served}, locust {found.locust_requests}, samples {len(found.samples)}")
    click.echo(f"requests/s: locust {found.locust_per_s:.3f}, samples {ours:.3f}, {differ:+.2%}")
    sys.exit(not (abs(differ) <= AGREE and served == found.locust_requests == len(found.samples)))


if __name__ == "__main__":
    main()
