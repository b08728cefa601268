"""How fast the model goes, and what follows from it: how long a request will take, and when to come back."""

import math

LONGEST_RETRY_S = 60
"""What clients honour at most of a Retry-After (the cohere SDK's limit)."""
MEMORY = 0.95
"""Of the running mean: what a measurement leaves of the ones before."""


class ThroughputEstimator:
    """Tokens per second that all lanes give together; the callers hold the queue's lock."""

    def __init__(self, inference_threads: int) -> None:
        self._lanes = inference_threads
        self.tokens_per_s = 0.0

    def measure(self, tokens: int, seconds: float) -> None:
        """Take in one run of one lane."""
        rate = self._lanes * tokens / max(seconds, 1e-9)
        self.tokens_per_s = rate if not self.tokens_per_s else MEMORY * self.tokens_per_s + (1 - MEMORY) * rate

    def seconds(self, tokens: int) -> float:
        """How long so many tokens take; 0 before anything was measured."""
        return tokens / self.tokens_per_s if self.tokens_per_s else 0.0

    def retry_after_s(self, tokens: int) -> int:
        """When so many tokens will have been served, in whole seconds that a client honours."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.seconds(tokens))))
