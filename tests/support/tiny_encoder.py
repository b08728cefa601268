"""A tiny BERT encoder with random weights, under the tensor names of transformers' BertModel.

Two layers, 16 wide, two heads: everything of the embedded model's encoder but size and sense.
"""

from pathlib import Path

import numpy as np

from models.artefact import Artefact, Manifest, Source, seal
from tests.support.tiny import make_tokenizer
from tools.embedded.graph import Arithmetic, build
from tools.embedded.score import Score
from tools.embedded.weights import Matrix, Weights, from_tensors

WORDS, POSITIONS, WIDTH, INNER, HEAD_WIDTH, LAYERS = 40, 24, 16, 32, 8, 2
RAW = Score(scale=1.0, offset=0.0)


def make_tensors(seed: int = 0) -> dict[str, Matrix]:
    """Draw the weights; norms are near 1 and biases are not 0, so that forgetting one shows."""
    random = np.random.default_rng(seed)

    def draw(*shape: int, mean: float = 0.0, deviation: float = 0.3) -> Matrix:
        return random.normal(mean, deviation, shape).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": draw(WORDS, WIDTH, deviation=1.0),
        "embeddings.position_embeddings.weight": draw(POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": draw(2, WIDTH),
    }
    shapes = {"attention.output": (WIDTH, WIDTH), "intermediate": (INNER, WIDTH), "output": (WIDTH, INNER)}
    shapes |= {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            place = f"encoder.layer.{layer}.{name}" + ("" if "self" in name else ".dense")
            tensors |= {f"{place}.weight": draw(*shape), f"{place}.bias": draw(shape[0])}
    norms = [f"encoder.layer.{layer}.{part}" for layer in range(LAYERS) for part in ("attention.output", "output")]
    for norm in ["embeddings", *norms]:
        tensors |= {f"{norm}.LayerNorm.weight": draw(WIDTH, mean=1.0), f"{norm}.LayerNorm.bias": draw(WIDTH)}
    return tensors


def make_weights(seed: int = 0) -> Weights:
    """Take the tiny encoder out of its tensors."""
    return from_tensors(make_tensors(seed), HEAD_WIDTH)


def make_idf(seed: int = 0) -> Matrix:
    """Draw a weight for every token; [CLS] and [SEP] (2 and 3) weigh nothing."""
    idf = np.random.default_rng(seed).uniform(0.3, 10, WORDS).astype(np.float32)
    idf[[2, 3]] = 0
    return idf


def make_artefact(folder: Path, weights: Weights, arithmetic: Arithmetic, score: Score = RAW) -> Artefact:
    """Build and seal a graph with a tokenizer that no test reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(build(weights, make_idf(), score, arithmetic))
    make_tokenizer("bert").save(str(folder / "tokenizer.json"))
    source = Source(hub_id="tests/tiny-encoder", revision="seed-0", licence="Apache-2.0")
    return seal(
        folder,
        Manifest(
            name="tiny-encoder", architecture="bert", precision="fp32", max_tokens=24, source=source, batchable=True
        ),
    )
