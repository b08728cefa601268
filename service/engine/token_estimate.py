"""How many tokens a request will be, before anything is read of it: enough to refuse one early that has no chance."""

import math
from collections.abc import Sequence

from service.job import Job

FIRST_TOKENS_PER_CHARACTER = 0.1
"""Before anything was learnt: less than any language has, so that nobody is refused for it."""
CAUTION = 0.95
"""Of the estimate: a request near the limit is tokenised, and counted exactly."""
MEMORY = 0.9
"""Of the running mean: what a request leaves of the ones before."""


class TokenEstimator:
    """Tokens by characters, at the rate of the requests before.

    Args:
        max_tokens: the window of a pair.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._tokens_per_character = FIRST_TOKENS_PER_CHARACTER

    def tokens(self, jobs: Sequence[Job]) -> int:
        """Estimate a request, on the low side: a document that occurs twice is read once, none beyond its limits."""
        return sum(self._of(job, document) for job in jobs for document in set(job.documents))

    def _of(self, job: Job, document: str) -> int:
        rate = CAUTION * self._tokens_per_character
        read = min(rate * len(document), job.max_tokens_per_doc or math.inf)
        return int(min(rate * len(job.query) + read, self._max_tokens * job.max_chunks_per_doc))

    def learn(self, jobs: Sequence[Job], tokens: int) -> None:
        """Take in what a request came to; documents that were cut make the rate lower, which is the safe side."""
        characters = sum(len(job.query) * len(job.documents) + sum(map(len, job.documents)) for job in jobs)
        rate = tokens / max(1, characters)
        self._tokens_per_character = MEMORY * self._tokens_per_character + (1 - MEMORY) * min(rate, 1.0)
