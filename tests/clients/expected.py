"""What every client asks, and what it must be told."""

import math
from collections.abc import Iterable

from tests.support.texts import PASSAGES, QUERY

DOCUMENTS = PASSAGES[:4]
ORDER = [1, 3, 2, 0]
"""The documents' order for QUERY: bamboo, where pandas live, a car called panda, bread."""
BEST = DOCUMENTS[ORDER[0]]
KEY = "sk-clients-1"
"""The key that the closed server knows."""
MODEL = "embedded"
"""The model that the closed server knows."""
ANY_MODEL = "rerank-v3.5"
"""What users leave in their configurations: the open server takes it."""

__all__ = ["ANY_MODEL", "BEST", "DOCUMENTS", "KEY", "MODEL", "ORDER", "QUERY", "assert_ranked"]


def assert_ranked(results: Iterable[tuple[int, float]], scores: list[float], *, top_n: int = len(DOCUMENTS)) -> None:
    """Hold (index, score) pairs against the documents' own scores: the right ones, best first, nothing left out."""
    indexes, given = zip(*results, strict=True)
    assert list(indexes) == ORDER[:top_n]
    for index, score in zip(indexes, given, strict=True):
        assert math.isclose(score, scores[index], abs_tol=1e-5)
