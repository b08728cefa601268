"""Measure which of ONNX Runtime's graph optimisations pay for a model on the CPU: `python -m tools.engine.fusions`.

The model is opened as it is served, with every optimisation of ONNX Runtime, and as it is served but without each of
the named ones. Each round scores the same pairs with all of these in turn, on one thread. The figures are the processor
time per document, its ratio to the model as served (the median of the rounds' ratios), and the largest difference of a
logit, in standard deviations of the served model's logits.
"""

import json
import random
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from msgspec import to_builtins

from bench.provenance import gather
from models.artefact import load
from models.catalogue import EMBEDDED
from models.devices import CPU
from models.pair import Logits, Pair
from models.session import Session
from models.tokenise import Tokeniser
from tools.engine.traffic import OUT, PAIRS, RequestSupply

SERVED, ALL = "as served", "every optimisation"
NAMES = ("BiasGeluFusion", "GeluFusionL2", "LayerNormFusionL2", "MatMulAddFusion", "MatMulIntegerToFloatFusion")
"""Further optimisations of cross-encoders' operators on the CPU."""


@click.command(context_settings={"show_default": True})
@PAIRS
@click.option("--model", type=click.Path(path_type=Path), default=EMBEDDED, help="Artefact folder.")
@click.option("--without", multiple=True, default=NAMES, help="An optimisation to leave out as well; repeatable.")
@click.option("--documents", default=20, help="Documents per round.")
@click.option("--rounds", default=20, help="Number of rounds.")
@OUT
def main(pairs: Path, model: Path, without: tuple[str, ...], documents: int, rounds: int, out: Path | None) -> None:
    """Measure the processor time of a model with and without some graph optimisations."""
    artefact = load(model)
    disabled = {SERVED: CPU.disabled_optimizers, ALL: ()} | {
        f"without {name}": (*CPU.disabled_optimizers, name) for name in without
    }
    sessions = {
        name: Session(artefact, replace(CPU, disabled_optimizers=names), threads=1) for name, names in disabled.items()
    }
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)
    work = [
        tokeniser.pairs(request.query, request.documents)
        for request in RequestSupply(pairs).take(documents, rounds + 1)
    ]
    cpu_ms: dict[str, list[float]] = {name: [] for name in sessions}
    logits: dict[str, list[Logits]] = {name: [] for name in sessions}
    draw = random.Random(0)
    for number, batch in enumerate(work):
        for name in draw.sample(list(sessions), len(sessions)):
            taken_ms, found = _score(sessions[name], batch)
            if number:  # the first round warms up
                cpu_ms[name].append(taken_ms)
                logits[name].append(found)
        click.echo(f"round {number} of {rounds}", err=True)
    _show(cpu_ms, {name: np.concatenate(found) for name, found in logits.items()})
    settings = {"model": artefact.manifest.name, "precision": artefact.manifest.precision, "documents": documents}
    if out is not None:
        rounded = {name: [round(value, 3) for value in values] for name, values in cpu_ms.items()}
        record = {"provenance": to_builtins(gather("", None, settings)), "cpu_ms_per_document": rounded}
        out.write_text(json.dumps(record) + "\n")


def _score(session: Session, batch: list[Pair]) -> tuple[float, Logits]:
    """Return the processor time per document in ms, and the logits [documents]."""
    start = time.process_time()
    logits = np.concatenate([session.run([pair]) for pair in batch])
    return 1000 * (time.process_time() - start) / len(batch), logits


def _show(cpu_ms: Mapping[str, list[float]], logits: Mapping[str, Logits]) -> None:
    served, spread = cpu_ms[SERVED], float(np.std(logits[SERVED]))
    for name, values in cpu_ms.items():
        ratio = statistics.median(value / base for value, base in zip(values, served, strict=True))
        apart = float(np.abs(logits[name] - logits[SERVED]).max()) / spread
        click.echo(
            f"{name:<36} {statistics.median(values):8.2f} ms/document  {ratio:6.3f} times  difference {apart:.1e}"
        )


if __name__ == "__main__":
    main()
