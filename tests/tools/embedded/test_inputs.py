"""What the embedded model's recipe derives by itself: the idf of its vocabulary, and what its products are fed with."""

import json

import numpy as np
import pytest

from models.catalogue import EMBEDDED
from models.pair import Pair
from models.prepare.quantise import Fp32
from models.scorer import Scorer
from tests.support.tiny_encoder import RAW, make_artefact, make_idf, make_tensors, make_weights
from tests.support.tiny_encoder_oracle import encode
from tools.embedded.exact import erf
from tools.embedded.idf import CHARACTER, PUNCTUATION, idf
from tools.embedded.inputs import _texts, inputs
from tools.embedded.score import Score

TEXTS = [[2, 7, 9, 3], [2, 11, 7, 30, 25, 14, 3], [2, *range(5, 25), 3]]


@pytest.fixture(scope="module")
def committed() -> bytes:
    return (EMBEDDED / "tokenizer.json").read_bytes()


def test_rare_words_weigh_more_and_special_tokens_nothing(committed: bytes) -> None:
    """The vocabulary's order is its words' frequency: the, mortgage, flea."""
    vocabulary = json.loads(committed)["model"]["vocab"]
    weights = idf(committed)
    assert len(weights) == len(vocabulary) == 30522
    the, mortgage, flea = (float(weights[vocabulary[word]]) for word in ("the", "mortgage", "flea"))
    assert (the, mortgage, flea) == pytest.approx((np.log(2), 9.42, 10.12), abs=0.01)
    assert {float(weights[vocabulary[token]]) for token in ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[unused5]")} == {0}
    assert {float(weights[vocabulary[token]]) for token in ("7", "q", "β")} == {CHARACTER}
    assert [float(weights[vocabulary[token]]) for token in "?[,"] == pytest.approx([PUNCTUATION] * 3)


def test_a_query_of_stop_words_is_led_by_what_is_rare_in_it(scorer: Scorer) -> None:
    """The one telling word decides, however many common ones match elsewhere."""
    flea, chatter = scorer.scores(
        "what is it that is in the life of the flea", ["Fleas live for months.", "What is it that is in it?"]
    )
    assert flea > chatter


def test_a_query_without_a_weighing_token_has_its_cosine_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Special tokens alone weigh nothing: MaxSim is 0, not NaN."""
    pair = Pair(np.array([2, 3, 2, 11, 7, 3]), np.array([0, 0, 1, 1, 1, 1]))
    found = []
    for name, score in (("both", RAW), ("cosine", Score(1.0, 0.0, maxsim_weight=0.0))):
        artefact = make_artefact(tmp_path_factory.mktemp(name), make_weights(), Fp32(), score)
        with Scorer.open(artefact.folder, device="cpu") as scorer:
            found.append(scorer.session.run([pair])[0])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert make_idf()[[2, 3]].tolist() == [0, 0]


def test_the_inputs_are_those_of_a_plain_encoder() -> None:
    """The second moments of the last layer's inputs follow from the oracle's own encoder, which shares no line."""
    hidden = np.concatenate([encode(make_tensors(), ids, layers=1) for ids in TEXTS])
    found = inputs(make_weights(), TEXTS)
    np.testing.assert_allclose(
        found["layer1.attention.qkv"].gram, hidden.T @ hidden / len(hidden), rtol=1e-4, atol=1e-5
    )
    assert found["layer1.down"].gram.shape == (32, 32)


def test_only_tall_channels_are_divided() -> None:
    """Down to the bound, in the products that have one; the others keep their channels."""
    found = inputs(make_weights(), [[2, *range(4, 24), 3]])
    for at in ("layer0.out", "layer1.down"):
        assert found[at].divisors is None
    qkv = found["layer1.attention.qkv"].divisors
    assert qkv is not None
    assert qkv.min() == 1
    assert found["layer1.up"].divisors is not None


def test_the_texts_are_the_projects_english_ones(committed: bytes) -> None:
    """Twenty queries and twenty passages, whole words, between special tokens."""
    texts = _texts(committed, 512)
    assert len(texts) == 40
    assert 4000 < sum(map(len, texts)) < 5000
    assert {(ids[0], ids[-1]) for ids in texts} == {(101, 102)}


def test_the_error_function_is_the_tabulated_one() -> None:
    """Values of NIST's handbook."""
    table = {0.0: 0.0, 0.1: 0.1124629160, 0.5: 0.5204998778, 1.0: 0.8427007929, 2.0: 0.9953222650, -1.0: -0.8427007929}
    np.testing.assert_allclose(erf(np.array(list(table))), list(table.values()), atol=2e-7)
