"""Measure the overhead of HTTP, parsing and the queue over in-process scoring: `python -m tools.engine.overhead`.

Requests of 50 documents go to the in-process scorer and to the server in turn; the figure is the ratio of the server's
time to the scorer's. Requests of one document go only to the server, since the scorer's threads would compete with it;
the figure is the part of the round trip that is neither tokenising nor inference, according to `Server-Timing`. Both
are medians. The client is the standard library's, which costs little.
"""

import http.client
import json
import re
import shlex
import socket
import statistics
import time
from pathlib import Path

import click

from bench.latency.workload import Request
from bench.local_server import local_server
from models.catalogue import EMBEDDED
from models.scorer import Scorer
from tools.engine.traffic import RequestSupply

START_TIMEOUT_S = 60.0


@click.command()
@click.option(
    "--pairs", type=click.Path(exists=True, path_type=Path), required=True, help="JSON file [[query, passage], …]."
)
@click.option("--model", type=click.Path(path_type=Path), default=EMBEDDED, help="Artefact folder.")
@click.option("--rounds", default=100, show_default=True, help="Number of rounds.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write the raw samples to.")
def main(pairs: Path, model: Path, rounds: int, out: Path | None) -> None:
    """Measure the overhead of the service over in-process scoring."""
    # without a token cache, since the scorer has none either
    command = f"rerank serve --model {shlex.quote(str(model))} --device cpu --token-cache-mb 0"
    supply = RequestSupply(pairs)
    with Scorer.open(model, device="cpu") as scorer, local_server(command, START_TIMEOUT_S) as url:
        alternating = _ask(url, supply.take(50, rounds + 10), scorer)[10:]
        time.sleep(1)
        alone = _ask(url, supply.take(1, rounds + 10))[10:]
    inside, outside = (statistics.median(sample[place] for sample in alternating) for place in range(2))
    click.echo(f"50 documents: in process {inside:.2f} ms, service {outside:.2f} ms: {outside / inside - 1:+.1%}")
    whole, beside = (statistics.median(sample[place] for sample in alone) for place in (1, 2))
    click.echo(f"1 document: {whole:.2f} ms, of which {beside:.2f} ms is neither tokenising nor inference")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            json.dumps({"columns": ["in_process_ms", "service_ms", "beside_ms"], "50": alternating, "1": alone}) + "\n"
        )


def _ask(url: str, work: list[Request], scorer: Scorer | None = None) -> list[tuple[float, float, float]]:
    """Return milliseconds per request: in process, at the server, and the server's HTTP, parsing and queue time."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    samples = []
    for request in work:
        start = time.perf_counter()
        if scorer is not None:
            scorer.scores(request.query, request.documents)
        inside = 1000 * (time.perf_counter() - start)
        body = json.dumps({"query": request.query, "documents": request.documents}).encode()
        start = time.perf_counter()
        connection.request("POST", "/v1/rerank", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        outside = 1000 * (time.perf_counter() - start)
        stages = dict(re.findall(r"(\w+);dur=([\d.]+)", answer.headers["Server-Timing"]))
        samples.append((inside, outside, outside - float(stages["tokenise"]) - float(stages["inference"])))
    return samples


if __name__ == "__main__":
    main()
