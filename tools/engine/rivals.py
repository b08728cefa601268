"""Compare the throughput of this server and others with the same weights over HTTP: `python -m tools.engine.rivals`.

A checkpoint with random weights in a given shape (good for speed, not for scores) is prepared in int8 and fp32 and
served beside infinity and sentence-transformers, each as documented and in the faster modes that it offers. All servers
are running, but only one works at a time. The figures are documents per second and the median latency, with 1 and 8
clients in a closed loop. The scores of each server are compared with those of torch in fp32, to make sure that all do
the same work.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from bench.client.client import Client
from bench.contestants.contestant import rerank_at
from bench.latency.loops import closed_loop
from bench.latency.workload import Request
from bench.local_server import local_server
from bench.records import Sample
from models.store import folder_name
from models.wording import counted
from tools.engine.traffic import PAIRS, RequestSupply, documents_per_s, latency_ms, write
from tools.full_size.stand_in import make_checkpoint

CLIENTS = (1, 8)
OURS = "rerank serve --device cpu --model {made}"
INFINITY = "{infinity} v2 --model-id {checkpoint} --device cpu --no-bettertransformer --no-model-warmup --engine torch"
SENTENCE_TRANSFORMERS = "{python} tools/peers/sentence_transformers_server.py --model {checkpoint}"


@dataclass(frozen=True)
class Rival:
    """The command that starts a server, and its routes for requests and readiness."""

    command: str
    route: str = "/rerank"
    ready: str = "/health"


RIVALS: Mapping[str, Rival] = {
    "this server int8": Rival(OURS + "/int8", "/v1/rerank", "/ready"),
    "this server fp32": Rival(OURS + "/fp32", "/v1/rerank", "/ready"),
    "infinity torch fp32": Rival(INFINITY + " --dtype float32"),
    "infinity torch bf16": Rival(INFINITY + " --dtype bfloat16"),
    "sentence-transformers torch fp32": Rival(SENTENCE_TRANSFORMERS),
    "sentence-transformers torch bf16": Rival(SENTENCE_TRANSFORMERS + " --dtype bfloat16"),
    "sentence-transformers ONNX fp32": Rival(SENTENCE_TRANSFORMERS + " --backend onnx"),
    "sentence-transformers ONNX int8": Rival(SENTENCE_TRANSFORMERS + " --backend onnx --dtype int8-{instructions}"),
}
REFERENCE = "sentence-transformers torch fp32"
Rounds = dict[str, dict[int, list[list[Sample]]]]


@click.command(context_settings={"show_default": True})
@PAIRS
@click.option(
    "--shape", type=click.Path(exists=True, path_type=Path), required=True, help="config.json with the shape."
)
@click.option(
    "--tokenizer", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of the tokenizer."
)
@click.option("--seed", default=2, help="Random seed of the weights; with some seeds int8 fails its parity gates.")
@click.option("--work", type=click.Path(path_type=Path), default=Path(".rivals"), help="Working folder.")
@click.option("--infinity", default=".venv/infinity/bin/infinity_emb", help="Command of infinity.")
@click.option(
    "--python",
    default=".venv/sentence-transformers-onnx/bin/python",
    help="Python of an environment with sentence-transformers.",
)
@click.option("--only", multiple=True, help="Measure only servers whose name contains this; repeatable.  [all]")
@click.option("--documents", default=50, help="Documents per request.")
@click.option("--requests", default="6,16", help="Requests per round with 1 and with 8 clients; 0 for none.")
@click.option("--rounds", default=3, help="Number of rounds.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write all samples to.")
def main(
    pairs: Path,
    shape: Path,
    tokenizer: Path,
    seed: int,
    work: Path,
    infinity: str,
    python: str,
    only: tuple[str, ...],
    documents: int,
    requests: str,
    rounds: int,
    out: Path | None,
) -> None:
    """Compare this server's throughput with that of other rerankers and print a table."""
    checkpoint = _checkpoint(work, shape, tokenizer, seed)
    names = {
        "checkpoint": checkpoint,
        "made": work / "models" / folder_name(str(checkpoint.resolve())),
        "infinity": infinity,
        "python": python,
        "instructions": "avx512_vnni" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "avx2",
    }
    chosen = {n: rival for n, rival in RIVALS.items() if not only or any(word in n for word in only)}
    _prepare(checkpoint, work, chosen)
    counts = {clients: int(count) for clients, count in zip(CLIENTS, requests.split(","), strict=True) if int(count)}
    supply = RequestSupply(pairs)
    samples: Rounds = {name: {clients: [] for clients in counts} for name in chosen}
    with contextlib.ExitStack() as stack:
        urls = {}
        for name, rival in chosen.items():
            click.echo(f"starting {name} …", err=True)
            urls[name] = stack.enter_context(local_server(rival.command.format(**names), 600, rival.ready))
        [probe] = supply.take(documents, 1)
        scores = {name: asyncio.run(_scores(urls[name], rival, probe)) for name, rival in chosen.items()}
        for number in range(rounds):
            for clients, count in counts.items():
                work_items = supply.take(documents, count)
                for name, rival in chosen.items():
                    found = asyncio.run(_round(urls[name], rival, work_items, clients))
                    samples[name][clients].append(found)
                    click.echo(
                        f"round {number + 1}, {counted(clients, 'client')}: {name} {documents_per_s(found):.1f}",
                        err=True,
                    )
    _show(samples, scores)
    supply.report()
    settings = {"documents": documents, "requests": requests, "shape": json.loads(shape.read_text())}
    named = {f"{name}, {clients} clients": all_ for name, by in samples.items() for clients, all_ in by.items()}
    write(out, "", None, settings, {name: dict(enumerate(rounds_)) for name, rounds_ in named.items()})


def _checkpoint(work: Path, shape: Path, tokenizer: Path, seed: int) -> Path:
    folder = work / "checkpoint"
    if not (folder / "model.safetensors").is_file():
        config = json.loads(shape.read_text()) | {"id2label": {"0": "LABEL_0"}}
        config["architectures"] = [config["architectures"][0].replace("Model", "ForSequenceClassification")]
        make_checkpoint(folder, config, tokenizer, seed=seed, deep=True)
    return folder


def _prepare(checkpoint: Path, work: Path, chosen: Mapping[str, Rival]) -> None:
    """Prepare the checkpoint with the command that a user would run."""
    for precision in ("int8", "fp32"):
        target = work / "models" / folder_name(str(checkpoint.resolve())) / precision
        if f"this server {precision}" in chosen and not target.is_dir():
            command = [str(Path(sys.executable).parent / "rerank"), "models", "prepare", str(checkpoint.resolve())]
            subprocess.run([*command, "--precision", precision, "--models-dir", str(work / "models")], check=True)


async def _scores(url: str, rival: Rival, request: Request) -> list[float]:
    """Return the scores of one request in the order of the documents; this also warms up the server."""
    async with Client(rerank_at(url, route=rival.route), timeout_s=600) as client:
        answer = await client.rerank("", request.query, request.documents)
    if answer.scores is None:
        raise click.ClickException(f"{rival.command}: {answer.sample.error}")
    return answer.scores


async def _round(url: str, rival: Rival, work: list[Request], clients: int) -> list[Sample]:
    async with Client(rerank_at(url, route=rival.route), timeout_s=600) as client:
        found = await closed_loop(client, work, clients)
    wrong = [sample.error for sample in found if sample.error is not None]
    if wrong:
        raise click.ClickException(f"{rival.command}: {wrong[0]}")
    return found


def _show(samples: Rounds, scores: Mapping[str, list[float]]) -> None:
    """Print medians over the rounds (documents per second, P50) and the largest difference of a score."""
    click.echo(f"{'':<34} {'clients':>7} {'documents/s':>12} {'P50 ms':>8}  max. score difference")
    for name, by in samples.items():
        apart = np.abs(np.subtract(scores[name], scores[REFERENCE])).max() if REFERENCE in scores else float("nan")
        for clients, found in by.items():
            rate = statistics.median(documents_per_s(each) for each in found)
            p50 = statistics.median(latency_ms(each, 50) for each in found)
            click.echo(f"{name:<34} {clients:>7} {rate:>12.1f} {p50:>8.0f}  {apart:.1e}")


if __name__ == "__main__":
    main()
