"""The embedded model's own parity: what its reference is, and that nothing is sealed that is too far from it."""

import msgspec
import numpy as np
import pytest

from models.artefact import MANIFEST
from models.catalogue import EMBEDDED
from models.pair import Pair
from models.prepare.pairs import Sample
from models.prepare.quantise import Fp32
from models.prepare.reference import make
from models.prepare.verify import verify_folder
from tests.support.tiny_encoder import RAW, make_artefact, make_idf, make_tensors, make_weights
from tests.support.tiny_encoder_oracle import similarity
from tests.support.tiny_graphs import SILENT
from tools.embedded.build import manifest, seal_verified
from tools.embedded.reference import logits
from tools.embedded.score import Score
from tools.embedded.weights import RecipeError

SCORE = Score(scale=3.0, offset=-1.0, maxsim_weight=0.5)
PAIRS = [
    Pair(np.array([2, 7, 9, 3, 2, *document, 3]), np.array([0] * 4 + [1] * (len(document) + 2)))
    for document in ([11, 7, 30, 25, 14], [], list(range(5, 20)), [9], [30, 31, 32])
]


def test_the_reference_is_what_a_plain_encoder_gives() -> None:
    """The oracle shares no line with it."""
    expected = [
        SCORE.scale * similarity(make_tensors(), make_idf(), *_texts(pair), SCORE.maxsim_weight) + SCORE.offset
        for pair in PAIRS
    ]
    np.testing.assert_allclose(logits(make_weights(), make_idf(), SCORE, PAIRS), expected, atol=2e-5)


def _texts(pair: Pair) -> tuple[list[int], list[int]]:
    query, document = (pair.ids[pair.types == kind].tolist() for kind in (0, 1))
    return query, document


def test_a_graph_that_is_far_from_its_reference_is_not_sealed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The reference's own logits pass; one of them moved by its spread does not, and then there is no manifest."""
    right = logits(make_weights(), make_idf(), RAW, PAIRS)
    wrong = right + np.array([0, 0, 0, 0, right.std()], np.float32)
    for expected in (right, wrong):
        folder = make_artefact(tmp_path_factory.mktemp("tiny"), make_weights(), Fp32()).folder
        (folder / MANIFEST).unlink()
        reference = make("the tests", {}, [], [Sample(24, pair) for pair in PAIRS], expected)
        facts = msgspec.structs.replace(manifest("fp32"), max_tokens=24)
        if expected is right:
            seal_verified(folder, facts, reference)
            assert (folder / MANIFEST).exists()
        else:
            with pytest.raises(RecipeError, match=r"too far from its reference: worst difference .* exceeds 0.005"):
                seal_verified(folder, facts, reference)
            assert not (folder / MANIFEST).exists()


@pytest.mark.slow
def test_the_committed_artefact_passes_every_gate() -> None:
    """On this machine too, in single runs and in batches, on the pairs that every prepared model is held against."""
    artefact, verdict = verify_folder(EMBEDDED, None, "cpu", SILENT)
    assert verdict.failures == []
    assert verdict.agreement.pairs == 162
    assert artefact.manifest.parity["agreement"]["pairs"] == 162
