"""The score's parts, each text encoded once, against the artefact, which encodes every pair."""

import numpy as np
import pytest

from models.catalogue import EMBEDDED
from models.scorer import Scorer
from tools.embedded.evaluate import reranked
from tools.embedded.parts import interval, score, together
from tools.embedded.score import SCORE

QUERIES = {
    "bear": "what is a giant panda?",
    "tax": "is a lump sum taxed?",
    "long": "pandas eat bamboo and " * 60,
    "empty": "",
    "stops": "?!",
}
DOCUMENTS = {
    "panda": "The giant panda is a bear of central China; it eats bamboo.",
    "tax": "A lump sum is taxed in the year in which it is paid out.",
    "cut": "Bamboo is a grass that grows fast. " * 120,
    "empty": "",
}


def test_the_parts_make_the_artefacts_logit() -> None:
    """Encoded once and put together in numpy, or pair by pair in the graph: the same, cut-off and empty texts too.

    But for int8, where a sum's last bit can move a value on the edge of two steps to the other one; in fp32
    `tests/tools/embedded/test_parity.py` asks for 1e-4.
    """
    candidates = {query: list(DOCUMENTS) for query in QUERIES} | {"tax": ["tax", "cut"]}
    parts = score(EMBEDDED, QUERIES, DOCUMENTS, candidates)
    with Scorer.open(EMBEDDED, device="cpu") as scorer:
        for query, ids in candidates.items():
            logits = scorer.logits(QUERIES[query], [DOCUMENTS[i] for i in ids])
            both = together(parts)["cosine + 1 maxsim"][query]
            np.testing.assert_allclose(SCORE.scale * both + SCORE.offset, logits, atol=0.02, err_msg=query)
    assert reranked({"bear": list(DOCUMENTS)}, parts["cosine"])["bear"][0] == "panda"


def test_alone_a_text_is_cut_by_no_other() -> None:
    """Short texts score as in a pair; two long ones the same whichever is the query, which in a pair they do not."""
    texts = QUERIES | DOCUMENTS
    one, other = {"long": ["cut"], "bear": ["panda"]}, {"cut": ["long"], "panda": ["bear"]}
    paired, paired_back = (score(EMBEDDED, texts, texts, lists)["cosine"] for lists in (one, other))
    alone, alone_back = (score(EMBEDDED, texts, texts, lists, alone=True)["cosine"] for lists in (one, other))
    assert alone["bear"] == pytest.approx(paired["bear"], abs=1e-6)
    assert alone["long"] == pytest.approx(alone_back["cut"], abs=1e-6)
    assert abs(paired["long"][0] - paired_back["cut"][0]) > 1e-3
    assert abs(alone["long"][0] - paired["long"][0]) > 1e-4


def test_the_interval_covers_the_mean_and_shrinks_with_more_queries() -> None:
    """About 1.96 standard errors to either side."""
    values = np.random.default_rng(1).uniform(size=400)
    found = interval(values)
    reach = 1.96 * values.std() / 20
    assert found["nDCG@10"] == pytest.approx(values.mean(), abs=1e-4)
    assert found["high"] - found["nDCG@10"] == pytest.approx(reach, rel=0.15)
    assert found["nDCG@10"] - found["low"] == pytest.approx(reach, rel=0.15)
    assert interval(values) == found
