"""Builds the artefact folder: `python -m models.embedded.recipe.build [--weights FILE] [--out DIR]`.

Needs onnx, numpy, safetensors, tokenizers and the pinned files, no data and no torch. The same inputs give the same
bytes, so anyone can check that the committed `model.onnx` and `tokenizer.json` are what this recipe makes.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from models.artefact import Manifest, Source, seal
from models.embedded.recipe.graph import build
from models.embedded.recipe.idf import idf
from models.embedded.recipe.inputs import measure
from models.embedded.recipe.score import SCORE
from models.embedded.recipe.tokenizer import two_texts
from models.embedded.recipe.weights import SHA256, TOKENIZER, WEIGHTS, RecipeError, find, parse, read_pinned
from models.prepare.quantise import Fp32, PerToken

Precision = Literal["int8", "fp32"]

MAX_TOKENS = 512
TOOLS = ("numpy", "onnx", "safetensors", "tokenizers")
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"

PARITY = {
    "pairs": 2150,
    "logit_deviation": 1.5534,
    "worst_logit_difference": 0.1432,
    "mean_logit_difference": 0.022,
    "kendall_tau": 0.9822,
    "top_10_agreement": 0.9884,
}
"""int8 against fp32: `evaluate --dataset msmarco-dl19 --depth 50 --reference FOLDER`, TREC DL 2019."""


def make(weights: Path, tokenizer: Path, out: Path, precision: Precision = "int8") -> None:
    """Write model.onnx and tokenizer.json into a folder and seal it; raise RecipeError for any other input file."""
    encoder, vocabulary = parse(read_pinned(weights, SHA256[WEIGHTS])), read_pinned(tokenizer, SHA256[TOKENIZER])
    arithmetic = PerToken(inputs=measure(encoder, vocabulary)) if precision == "int8" else Fp32()
    graph = build(encoder, idf(vocabulary), SCORE, arithmetic)
    pairs = two_texts(vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(graph)
    (out / "tokenizer.json").write_bytes(pairs)
    seal(out, manifest(precision))


def manifest(precision: Precision) -> Manifest:
    """State what the folder holds."""
    return Manifest(
        name="embedded",
        architecture="bert",
        precision=precision,
        max_tokens=MAX_TOKENS,
        source=Source(hub_id=HUB_ID, revision=f"sha256:{SHA256[WEIGHTS]}", licence="Apache-2.0"),
        batchable=True,
        tools={name: version(name) for name in TOOLS},
        parity=PARITY if precision == "int8" else {},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command (with the command line's own arguments by default); return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.embedded.recipe.build", description=__doc__)
    parser.add_argument("--weights", type=Path, help=f"{WEIGHTS} (default: the installed package's)")
    parser.add_argument("--tokenizer", type=Path, help=f"{TOKENIZER} (default: the installed package's)")
    parser.add_argument("--out", type=Path, required=True, help="the artefact folder to write")
    parser.add_argument("--precision", choices=["int8", "fp32"], default="int8", help="fp32: the reference for parity")
    options = parser.parse_args(arguments)
    try:
        make(options.weights or find(WEIGHTS), options.tokenizer or find(TOKENIZER), options.out, options.precision)
    except RecipeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
