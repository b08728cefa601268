"""Compare the engine's batching with naive batches on documents of real lengths: `python -m tools.engine.lengths`.

The mix is MS MARCO passages, ArguAna arguments and FiQA answers in equal parts, with 2 % documents of 2,000 tokens. On
the CPU it alternates between one pair per run on every inference thread, as the engine does, and batches of 32 in order
of arrival, padded to the longest pair, with all CPUs on each batch. For a GPU, where batches are needed, it computes
the padding of the batches that the real queue forms for requests of 50 documents; this needs no GPU.
"""

import asyncio
import itertools
import json
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from bench.data import datasets
from models.artefact import load
from models.catalogue import EMBEDDED
from models.devices import CPU, CUDA
from models.pair import Logits, Pair
from models.session import Session
from models.tokenise import Tokeniser
from service.engine.batcher import Batcher

SETS = ("msmarco-dl19", "arguana", "fiqa")
LONG_TOKENS, LONG_SHARE = 2000, 0.02
FIRST = 20_000
NAIVE_BATCH = 32
"""The default batch size of sentence-transformers and infinity."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of BEIR datasets.")
@click.option("--model", type=click.Path(exists=True, path_type=Path), default=EMBEDDED, help="Artefact folder.")
@click.option("--documents", default=300, help="Number of documents to score.")
@click.option("--rounds", default=3, help="Number of rounds.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write the figures to.")
def main(data: Path, model: Path, documents: int, rounds: int, out: Path | None) -> None:
    """Measure the engine's batching against naive batches, and the padding of both."""
    artefact = load(model)
    session = Session(artefact, CPU)
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)
    pairs = mix(data, tokeniser, documents)
    naive = [pairs[at : at + NAIVE_BATCH] for at in range(0, len(pairs), NAIVE_BATCH)]
    seconds: dict[str, list[float]] = {"engine": [], "naive": []}
    session.warm_up(pairs[0])
    for _ in range(rounds):
        seconds["engine"].append(_engine(session, pairs))
        start = time.perf_counter()
        for batch in naive:
            session.run_single(batch)
        seconds["naive"].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    lengths = [len(pair) for pair in pairs]
    padding = {
        "CPU": 0.0,
        "naive order": 1 - sum(lengths) / sum(len(batch) * max(map(len, batch)) for batch in naive),
        "GPU": asyncio.run(gpu_padding(mix(data, tokeniser, 4000), 50)),
    }
    found = {
        "documents": documents,
        "tokens": {str(q): float(np.percentile(lengths, q)) for q in (0, 50, 90, 100)},
        "seconds": seconds,
        "ratio": medians["naive"] / medians["engine"],
        "padding": padding,
    }
    click.echo(f"{documents} documents of {min(lengths)} to {max(lengths)} tokens, median {np.median(lengths):.0f}")
    click.echo(
        f"one pair per run {medians['engine']:.1f} s, naive batches {medians['naive']:.1f} s: {found['ratio']:.2f} x"
    )
    click.echo("padding: " + ", ".join(f"{name} {share:.1%}" for name, share in padding.items()))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")


def mix(data: Path, tokeniser: Tokeniser, count: int, seed: int = 0) -> list[Pair]:
    """Make pairs of real queries and documents in random order, with some long ones joined from FiQA's answers."""
    draw = random.Random(seed)
    texts = {}
    for name in SETS:
        dataset = datasets.load(data / name)
        texts[name] = (_first(dataset.queries), _first(dataset.documents))
    answers = iter(draw.sample(texts["fiqa"][1], len(texts["fiqa"][1])))
    pairs = []
    for number in range(count):
        queries, documents = texts[SETS[number % len(SETS)]]
        document = draw.choice(documents)
        if number < LONG_SHARE * count:
            document = ""
            while len(document) < 5 * LONG_TOKENS:  # a token is about four letters
                document += next(answers)
        (pair,) = tokeniser.pairs(draw.choice(queries), [document])
        pairs.append(Pair(pair.ids[:LONG_TOKENS], pair.types[:LONG_TOKENS]))
    draw.shuffle(pairs)
    return pairs


async def gpu_padding(pairs: Sequence[Pair], documents: int) -> float:
    """Return the share of padding in the batches that the queue forms with eight concurrent requests."""

    def run(batch: Sequence[Pair]) -> Logits:
        time.sleep(0.01)  # pairs are queued meanwhile, as with a real device
        return np.zeros(len(batch), np.float32)

    batcher = Batcher(
        run,
        inference_threads=1,
        max_batch_tokens=CUDA.max_batch_tokens,
        max_queue_tokens=0,
        length_multiple=CUDA.length_multiple,
    )
    batcher.start()
    requests = iter([pairs[at : at + documents] for at in range(0, len(pairs), documents)])

    async def client() -> None:
        for request in requests:
            await batcher.score(request)

    await asyncio.gather(*(client() for _ in range(8)))
    batcher.close()
    return batcher.padding_tokens / batcher.run_tokens


def _engine(session: Session, pairs: Sequence[Pair]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(session.inference_threads) as inference_threads:
        longest_first = sorted(pairs, key=len, reverse=True)
        list(inference_threads.map(session.run, [[pair] for pair in longest_first]))
    return time.perf_counter() - start


def _first(texts: Mapping[str, str]) -> list[str]:
    """Return the first texts of a dataset, without empty ones, to draw from."""
    return [text for text in itertools.islice(texts.values(), FIRST) if text]


if __name__ == "__main__":
    main()
