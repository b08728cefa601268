"""The embedded model's graph against transformers' BertModel: the independent reference, which needs torch.

Query and document are encoded apart by transformers, one at a time and unpadded; the graph reads them as one pair.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import BertConfig, BertModel

from models.artefact import load, seal
from models.catalogue import EMBEDDED
from models.devices import CPU
from models.pair import Pair
from models.prepare.quantise import Fp32
from models.prepare.reference import read
from models.scorer import Scorer
from models.session import Session
from tests.support import tiny_encoder
from tools.embedded.build import manifest, write_model
from tools.embedded.idf import idf
from tools.embedded.parts import score, together
from tools.embedded.reference import logits
from tools.embedded.score import SCORE, Score
from tools.embedded.weights import TOKENIZER, WEIGHTS, Matrix, find

pytestmark = pytest.mark.prepare

QUERY = "how long is the life cycle of a flea?"
DOCUMENTS = [
    "The life cycle of a flea can last anywhere from 20 days to an entire year.",
    "Bread is baked in an oven; crème brûlée is not. 面包 !?",
    "",
    " ".join(f"number {place} of a very long passage about fleas, dogs and cats." for place in range(60)),
]


def reference(tensors: dict[str, Matrix], idf: Matrix, heads: int, pairs: list[Pair], score: Score) -> list[float]:
    """Score pairs by transformers' own BERT."""
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.layer."))
    words, width = tensors["embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=tensors["encoder.layer.0.intermediate.dense.bias"].shape[0],
        max_position_embeddings=tensors["embeddings.position_embeddings.weight"].shape[0],
        layer_norm_eps=1e-12,
    )
    bert = BertModel(config, add_pooling_layer=False).eval()
    state = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    missing = bert.load_state_dict(state, strict=False).missing_keys
    assert not [name for name in missing if "position_ids" not in name]
    return [_score(bert, torch.from_numpy(idf), pair, score) for pair in pairs]


def _score(bert: BertModel, idf: torch.Tensor, pair: Pair, score: Score) -> float:
    with torch.inference_mode():
        query, document = (
            bert(input_ids=torch.from_numpy(pair.ids[pair.types == kind])[None]).last_hidden_state[0] for kind in (0, 1)
        )
    cosine = torch.cosine_similarity(query.mean(0), document.mean(0), dim=0)
    normalise = torch.nn.functional.normalize
    best = (normalise(query) @ normalise(document).T).max(dim=1).values
    weights = idf[torch.from_numpy(pair.ids[pair.types == 0])]
    maxsim = (best * weights).sum() / weights.sum()
    return float(score.scale * (cosine + score.maxsim_weight * maxsim) + score.offset)


def test_tiny_random_weights_equal_transformers(tmp_path: Path) -> None:
    """On random weights the fp32 graph gives transformers' score to 1e-4, alone and in one padded batch."""
    artefact = tiny_encoder.make_artefact(tmp_path, tiny_encoder.make_weights(), Fp32())
    pairs = [
        Pair(np.array([2, 7, 9, 3, 2, *document, 3]), np.array([0] * 4 + [1] * (len(document) + 2)))
        for document in ([11, 7, 30, 25, 14], [], list(range(5, 25)))
    ]
    session = Session(artefact, CPU)
    expected = reference(tiny_encoder.make_tensors(), tiny_encoder.make_idf(), 2, pairs, tiny_encoder.RAW)
    np.testing.assert_allclose([session.run([pair])[0] for pair in pairs], expected, atol=1e-4)
    np.testing.assert_allclose(session.run(pairs), expected, atol=1e-4)


@pytest.fixture
def weights() -> Path:
    """The base weights that `make test-prepare` installs; find says so where they are not."""
    return find(WEIGHTS)


def test_the_true_weights_equal_transformers(weights: Path, tmp_path: Path) -> None:
    """On all-MiniLM-L6-v2 the fp32 graph's similarity is transformers' to 1e-4, up to 512 tokens; so are its parts'."""
    write_model(weights, find(TOKENIZER), tmp_path, "fp32")
    seal(tmp_path, manifest("fp32"))
    with Scorer.open(tmp_path, device="cpu") as scorer:
        pairs = scorer.tokeniser.pairs(QUERY, DOCUMENTS)
        logits = scorer.run(pairs)
    assert max(map(len, pairs)) == 512
    expected = np.array(reference(load_file(weights), idf(find(TOKENIZER).read_bytes()), 12, pairs, SCORE))
    np.testing.assert_allclose(logits / SCORE.scale, expected / SCORE.scale, atol=1e-4)
    documents = {str(place): document for place, document in enumerate(DOCUMENTS)}
    parts = score(tmp_path, {"flea": QUERY}, documents, {"flea": list(documents)})
    both = together(parts)["cosine + 1 maxsim"]["flea"]
    np.testing.assert_allclose(both + SCORE.offset / SCORE.scale, expected / SCORE.scale, atol=1e-4)


def test_the_committed_artefact_is_what_the_recipe_makes(weights: Path, tmp_path: Path) -> None:
    """Built again from the true weights, graph and tokenizer are the committed ones, byte for byte; so are logits of
    its reference, of which some of each length are computed again."""
    encoder, idfs = write_model(weights, find(TOKENIZER), tmp_path, "int8")
    sealed = load(EMBEDDED).manifest.files
    for name in ("model.onnx", "tokenizer.json"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sealed[name].sha256, name
    committed = read(EMBEDDED)
    some = [place for place, pair in enumerate(committed.pairs) if place % 20 == 0]
    assert {committed.pairs[place].length for place in some} == {16, 64, 128, 256, 512}
    found = logits(encoder, idfs, SCORE, [committed.samples[place].pair for place in some])
    np.testing.assert_allclose(found, committed.logits[some], atol=2e-6)
