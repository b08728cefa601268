"""The in-process scorer with the embedded model: sensible, repeatable, batch-invariant."""

import numpy as np
from scipy.special import expit

from models.scorer import Scorer, sigmoid
from tests.support.texts import BEST, ODD, PASSAGES, QUERY


def test_the_passage_that_answers_comes_first(scorer: Scorer) -> None:
    """The embedded model ranks, and its relevance is a probability."""
    scores = scorer.scores(QUERY, PASSAGES)
    assert int(np.argmax(scores)) == BEST
    assert ((scores >= 0) & (scores <= 1)).all()


def test_odd_texts_get_finite_scores(scorer: Scorer) -> None:
    """Empty, endless, invisible and foreign texts are scored like any other."""
    assert np.isfinite(scorer.logits(QUERY, ODD)).all()
    assert np.isfinite(scorer.logits("x" * 10_000, PASSAGES)).all()


def test_a_score_does_not_depend_on_its_batch(scorer: Scorer) -> None:
    """Alone, among others and in another order, a pair has the same logit."""
    together = scorer.logits(QUERY, PASSAGES + ODD)
    alone = [scorer.logits(QUERY, [text])[0] for text in PASSAGES + ODD]
    backwards = scorer.logits(QUERY, (PASSAGES + ODD)[::-1])[::-1]
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together - backwards).max() <= 1e-5


def test_no_documents_give_no_scores(scorer: Scorer) -> None:
    """An empty list is answered by an empty array."""
    assert scorer.scores(QUERY, []).shape == (0,)


def test_sigmoid_equals_scipys() -> None:
    """In float32, at both far ends too, without a warning."""
    logits = np.array([-1e4, -100, -20, -1, -1e-8, 0, 1e-8, 1, 20, 100, 1e4], np.float32)
    assert np.allclose(sigmoid(logits), expit(logits), rtol=1e-6)
    assert sigmoid(logits).dtype == np.float32
