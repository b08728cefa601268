"""Estimates a request's tokens before it is tokenised, so that a hopeless request is rejected at once."""

import math
from collections.abc import Sequence

from service.job import Job

FIRST_TOKENS_PER_CHARACTER = 0.1
"""Initial rate, lower than in any language, so that no request is rejected because of it."""
CAUTION = 0.95
"""Safety factor on the estimate: a request near the limit is tokenised and counted exactly."""
MEMORY = 0.9
"""Weight of the earlier requests in the running mean."""


class TokenEstimator:
    """Estimates tokens from characters, at the rate of earlier requests.

    Args:
        max_tokens: the maximum number of tokens per pair.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._tokens_per_character = FIRST_TOKENS_PER_CHARACTER

    def tokens(self, jobs: Sequence[Job]) -> int:
        """Estimate the tokens of a request, on the low side: repeated documents count once, and limits apply."""
        return sum(self._document_tokens(job, document) for job in jobs for document in set(job.documents))

    def _document_tokens(self, job: Job, document: str) -> int:
        rate = CAUTION * self._tokens_per_character
        document_tokens = min(rate * len(document), job.max_tokens_per_doc or math.inf)
        return int(min(rate * len(job.query) + document_tokens, self._max_tokens * job.max_chunks_per_doc))

    def learn(self, jobs: Sequence[Job], tokens: int) -> None:
        """Update the rate with a request's exact count; truncated documents lower it, which errs on the safe side."""
        characters = sum(len(job.query) * len(job.documents) + sum(map(len, job.documents)) for job in jobs)
        rate = tokens / max(1, characters)
        self._tokens_per_character = MEMORY * self._tokens_per_character + (1 - MEMORY) * min(rate, 1.0)
