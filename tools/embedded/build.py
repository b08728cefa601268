"""Build the embedded model's artefact folder: `python -m tools.embedded.build --out DIR [--weights FILE]`.

It needs onnx, onnxruntime, numpy, safetensors, tokenizers and the pinned files, but no data and no torch. The same
inputs give the same bytes, so anyone can check that the committed `model.onnx`, `tokenizer.json` and `parity.json` come
from this program. As with every prepared model, nothing is sealed that is too far from its reference.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from models.artefact import Artefact, Manifest, Source, seal
from models.prepare.progress import Progress
from models.prepare.quantise import Fp32, PerToken
from models.prepare.reference import Reference
from models.prepare.reference import write as write_reference
from models.prepare.verify import verify
from tools.embedded import reference
from tools.embedded.graph import build
from tools.embedded.idf import idf
from tools.embedded.inputs import measure
from tools.embedded.score import SCORE
from tools.embedded.tokenizer import two_texts
from tools.embedded.weights import SHA256, TOKENIZER, WEIGHTS, Matrix, RecipeError, Weights, find, parse, read_pinned

Precision = Literal["int8", "fp32"]

MAX_TOKENS = 512
TOOLS = ("numpy", "onnx", "safetensors", "tokenizers")
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"


def make(weights: Path, tokenizer: Path, out: Path, precision: Precision = "int8") -> None:
    """Write model.onnx, tokenizer.json and parity.json into a folder and seal it.

    Raises:
        RecipeError: an input file is not the pinned one, or the logits are too far from the reference.
    """
    encoder, idfs = write_model(weights, tokenizer, out, precision)
    expected = reference.make(encoder, idfs, SCORE, out / "tokenizer.json", MAX_TOKENS, SHA256)
    seal_verified(out, manifest(precision), expected)


def write_model(weights: Path, tokenizer: Path, out: Path, precision: Precision) -> tuple[Weights, Matrix]:
    """Write model.onnx and tokenizer.json; return the encoder and the idf of every token [vocabulary].

    Raises:
        RecipeError: an input file is not the pinned one.
    """
    encoder, vocabulary = parse(read_pinned(weights, SHA256[WEIGHTS])), read_pinned(tokenizer, SHA256[TOKENIZER])
    arithmetic = PerToken(inputs=measure(encoder, vocabulary)) if precision == "int8" else Fp32()
    idfs = idf(vocabulary)
    graph, pairs = build(encoder, idfs, SCORE, arithmetic), two_texts(vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(graph)
    (out / "tokenizer.json").write_bytes(pairs)
    return encoder, idfs


def seal_verified(out: Path, manifest: Manifest, reference: Reference) -> None:
    """Write the reference beside the graph and seal the folder; raise RecipeError if a gate fails."""
    write_reference(reference, out)
    verdict = verify(Artefact(out, manifest), reference, (), "cpu", Progress())
    if verdict.failures:
        raise RecipeError(f"{out} was not saved: it is too far from its reference: {'; '.join(verdict.failures)}")
    seal(out, msgspec.structs.replace(manifest, parity=msgspec.to_builtins(verdict)))


def manifest(precision: Precision) -> Manifest:
    """Make the manifest of the folder, not sealed yet."""
    return Manifest(
        name="embedded",
        architecture="bert",
        precision=precision,
        max_tokens=MAX_TOKENS,
        source=Source(hub_id=HUB_ID, revision=f"sha256:{SHA256[WEIGHTS]}", licence="Apache-2.0"),
        batchable=True,
        tools={name: version(name) for name in TOOLS},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments, by default those of the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.build", description=__doc__)
    parser.add_argument("--weights", type=Path, help=f"path of {WEIGHTS} (default: from the installed package)")
    parser.add_argument("--tokenizer", type=Path, help=f"path of {TOKENIZER} (default: from the installed package)")
    parser.add_argument("--out", type=Path, required=True, help="artefact folder to write")
    parser.add_argument(
        "--precision", choices=["int8", "fp32"], default="int8", help="precision of the graph (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        weights, tokenizer = options.weights or find(WEIGHTS), options.tokenizer or find(TOKENIZER)
        make(weights, tokenizer, options.out, options.precision)
    except RecipeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
