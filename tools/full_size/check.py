"""Prepare, verify, serve and compare the full-size model: `python -m tools.full_size.check`.

On a CPU it measures the time and peak memory of preparing fp32 and int8, the tokens per second of int8 compared
alternately with sentence-transformers in fp32, and the server's resident memory on 512-token pairs. On CUDA it measures
the parity of fp16, the tokens per second compared with sentence-transformers in fp16 and with the GPU's matmul rate,
and the P50 and P90 of requests with 50 passages at 1 and 16 clients (`rerank-bench latency`). `--before` adds an
earlier version of this server, which serves the same files and takes its turn in every round. It exits with 1 if a step
fails.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from models.artefact import load
from models.pair import Pair
from models.prepare.pairs import read_texts
from models.store import folder_name
from models.tokenise import Tokeniser
from tools.full_size.scorers import RerankServer, SentenceTransformers, rerank_server

BIN = Path(sys.executable).parent
MATMUL = 8192
FLOP_PER_TOKEN = 2 * 303_000_000
"""The cost of a token in bge-reranker-v2-m3, without the embedding table and the products inside the attention."""


@click.command(context_settings={"show_default": True})
@click.option("--model", default="bge-reranker-v2-m3", help="Name, hub id or folder of the model to prepare.")
@click.option(
    "--stand-in", type=click.Path(path_type=Path), help="Use random weights in the shape of this config.json."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Device to measure on.")
@click.option(
    "--precision",
    "chosen",
    multiple=True,
    help="Precision to prepare; repeatable; the first is served.  [cpu: int8 and fp32; cuda: fp16]",
)
@click.option(
    "--peer",
    type=click.Path(path_type=Path),
    required=True,
    help="Python of an environment with sentence-transformers.",
)
@click.option("--before", help="The `rerank` command of an earlier version, to measure beside this one.")
@click.option(
    "--work", type=click.Path(path_type=Path), default=Path(".full-size"), help="Working folder, several gigabytes."
)
@click.option("--data", default="sample", help="Dataset for the latency profile (CUDA only).")
@click.option("--rounds", default=5, help="Number of rounds, in which both sides are measured in turn.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write the record to.")
def main(
    model: str,
    stand_in: Path | None,
    device: str,
    chosen: tuple[str, ...],
    peer: Path,
    before: str | None,
    work: Path,
    data: str,
    rounds: int,
    out: Path | None,
) -> None:
    """Prepare, serve and compare the full-size model with sentence-transformers, and print the figures."""
    work.mkdir(parents=True, exist_ok=True)
    model = _stand_in(stand_in, work) if stand_in is not None else model
    precisions = chosen or (("int8", "fp32") if device == "cpu" else ("fp16",))
    record: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(device),
        "model": "random weights in its shape" if stand_in is not None else model,
        "prepare": {precision: _prepare(model, precision, device, work) for precision in precisions},
    }
    served = precisions[0]
    folders = {precision: work / "models" / folder_name(model) / precision for precision in precisions}
    folder = folders[served]
    manifest = load(folder).manifest
    record["parity"] = {precision: load(made).manifest.parity for precision, made in folders.items()}
    source = str(work / "checkpoint") if stand_in is not None else manifest.source.hub_id
    revision = "" if stand_in is not None else manifest.source.revision
    flags = ("--model", str(folder.resolve()), "--device", device)
    dtype = "float16" if device == "cuda" else "float32"
    with ExitStack() as stack:
        ours = stack.enter_context(rerank_server(*flags))
        theirs = stack.enter_context(SentenceTransformers(peer, source, revision, device, dtype))
        scorers: dict[str, RerankServer | SentenceTransformers] = {"ours": ours, "peer": theirs}
        if before is not None:
            scorers["before"] = stack.enter_context(rerank_server(*flags, program=before))
            record["parity_before"] = {precision: _verify(before, made, device) for precision, made in folders.items()}
        record["peer"] = theirs.about
        record["speed"] = {
            f"{count} x {length} tokens": _compare(scorers, folder, length, count, rounds)
            for length, count in ((512, 8), (128, 32))
        }
        record["resident"] = ours.resident_bytes()
        if device == "cuda":
            record["matmul_flops"] = theirs.flops(MATMUL)
            record["latency"] = {str(n): _latency(ours.url, n, data) for n in (1, 16)}
    _show(record)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"{_name(device, record['machine'])}.json"
        file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _stand_in(shape: Path, work: Path) -> str:
    from tools.full_size.stand_in import make_checkpoint  # imports torch, which an existing checkpoint does not need

    folder = work / "checkpoint"
    if not (folder / "model.safetensors").is_file():
        click.echo("making random weights …", err=True)
        make_checkpoint(folder, json.loads(shape.read_text()), shape.parent, deep=True)
    return str(folder.resolve())


def _prepare(model: str, precision: str, device: str, work: Path) -> dict[str, float]:
    """Run `rerank models prepare` like a user; return the lines of its steps and its peak memory."""
    command = [str(BIN / "rerank"), "models", "prepare", model, "--precision", precision, "--device", device]
    process = subprocess.Popen([*command, "--models-dir", str(work / "models")], stderr=subprocess.PIPE, text=True)
    steps = []
    for line in process.stderr or ():
        click.echo(line, err=True, nl=False)
        steps.append(line.strip())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"preparing {precision} failed")
    return {"peak_bytes": usage.ru_maxrss * 1024, "steps": [s for s in steps if s.endswith(" s")]}  # type: ignore[dict-item]


def _verify(program: str, folder: Path, device: str) -> list[str]:
    """Return the lines in which another version's `rerank models verify` reports an artefact's parity."""
    command = [program, "models", "verify", str(folder), "--device", device]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _compare(
    scorers: Mapping[str, RerankServer | SentenceTransformers], folder: Path, length: int, count: int, rounds: int
) -> dict[str, Any]:
    """Score the same pairs with all in turn; return tokens per second of each round, and ratios of medians.

    Every round has another query, so that no pair is scored twice.
    """
    query, documents, _ = _documents(folder, length, 2, rounds)
    for scorer in scorers.values():
        scorer.score(query, documents)
    rates: dict[str, list[float]] = {name: [] for name in scorers}
    for number in range(rounds):
        query, documents, tokens = _documents(folder, length, count, number)
        for name, scorer in scorers.items():
            rates[name].append(tokens / scorer.score(query, documents)["seconds"])
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {f"ratio_{name}": medians["ours"] / medians[name] for name in medians if name not in ("ours", "peer")}
    return {"tokens_per_s": rates, "medians": medians, "ratio": medians["ours"] / medians["peer"], **ratios}


def _documents(folder: Path, length: int, count: int, number: int) -> tuple[str, list[str], int]:
    """Make documents whose pairs with the query of this number have nearly, and at most, `length` tokens."""
    texts = read_texts()
    query, artefact = texts[number % len(texts)].query, load(folder)
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)

    def pair(document: str) -> Pair:
        return tokeniser.pairs(query, [document])[0]

    documents = []
    for start in range(count):
        words = " ".join(text.passage for text in texts[start:] + texts[:start]).split()
        low, high = 1, len(words)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if len(pair(" ".join(words[:middle]))) <= length else (low, middle)
        documents.append(" ".join(words[:low]))
    return query, documents, sum(len(pair(document)) for document in documents)


def _latency(url: str, clients: int, data: str) -> dict[str, Any]:
    """Measure the latency of requests with 50 passages with the bench's own command."""
    command = [str(BIN / "rerank-bench"), "latency", "--url", url, "--data", data, "--concurrency", str(clients)]
    with tempfile.TemporaryDirectory() as results:
        subprocess.run([*command, "--requests", "200", "--warm-up", "20", "--results", results], check=True)
        record: dict[str, Any] = json.loads((Path(results) / "latency" / "rerank.json").read_text())
    return record


def _machine(device: str) -> str:
    if device == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    flags = next(line.split(":")[1].split() for line in lines if line.startswith("flags"))
    kinds = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if flag in flags]
    return f"{len(os.sched_getaffinity(0))} x {name}, {' '.join(kinds)}"


def _name(device: str, machine: str) -> str:
    """Return a record's name by the kind of device, so that records of other kinds are not overwritten."""
    return device if device == "cuda" else "cpu-vnni" if "vnni" in machine else "cpu-avx2"


def _show(record: dict[str, Any]) -> None:
    click.echo(f"machine: {record['machine']}")
    for precision, found in record["prepare"].items():
        click.echo(f"prepare {precision}: peak {found['peak_bytes'] / 2**30:.2f} GiB; {'; '.join(found['steps'])}")
        agreement = record["parity"][precision]["agreement"]
        figures = {
            name: agreement[name] for name in ("spread", "worst", "mean", "kendall_tau", "top_10", "batch_variance")
        }
        click.echo(f"parity {precision}: {figures}")
    for name, found in record["speed"].items():
        medians = found["medians"]
        click.echo(
            f"{name}: ours {medians['ours']:.0f}, sentence-transformers {medians['peer']:.0f} tokens/s, "
            f"{found['ratio']:.2f} times"
        )
        if "before" in medians:
            click.echo(f"{name}: before {medians['before']:.0f} tokens/s, {found['ratio_before']:.2f} times")
        if "matmul_flops" in record:
            share = medians["ours"] * FLOP_PER_TOKEN / record["matmul_flops"]
            click.echo(f"{name}: {share:.0%} of the GPU's matmul rate of {record['matmul_flops'] / 1e12:.0f} TFLOP/s")
    resident = record["resident"]
    click.echo(f"resident memory: {resident['VmRSS'] / 2**30:.2f} GiB, peak {resident['VmHWM'] / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
