"""The measured throughput of the model, and estimates from it: how long a request takes, and when to retry."""

import math

LONGEST_RETRY_S = 60
"""Maximum Retry-After that clients honour (the limit of the cohere SDK)."""
MEMORY = 0.95
"""Weight of the earlier measurements in the running mean."""


class ThroughputEstimator:
    """Tokens per second of all inference threads together; callers hold the queue's lock."""

    def __init__(self, inference_threads: int, tokens_per_s: float = 0.0) -> None:
        """Start with a known rate, or with 0 until a run is measured."""
        self._inference_threads = inference_threads
        self.tokens_per_s = tokens_per_s

    def measure(self, tokens: int, seconds: float) -> None:
        """Update the rate with one run of one inference thread."""
        rate = self._inference_threads * tokens / max(seconds, 1e-9)
        self.tokens_per_s = rate if not self.tokens_per_s else MEMORY * self.tokens_per_s + (1 - MEMORY) * rate

    def seconds(self, tokens: int) -> float:
        """Return the time in which `tokens` are processed; 0 before the first measurement."""
        return tokens / self.tokens_per_s if self.tokens_per_s else 0.0

    def retry_after_s(self, tokens: int) -> int:
        """Return the time in which `tokens` are processed, in whole seconds from 1 to `LONGEST_RETRY_S`."""
        return max(1, min(LONGEST_RETRY_S, math.ceil(self.seconds(tokens))))
