"""A cache of logits by pair; off by default, since it distorts benchmarks.

The key is a pair's token and segment ids, so texts that are truncated in another way, or contain a separator at another
point, are another pair. Entries never expire, since a model's logit for a pair never changes.
"""

from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from models.cache import ByteCache
from models.pair import Pair
from service.engine.entry import Scored
from service.errors import ModelFailed

Score = Callable[[Sequence[Pair]], Awaitable[Scored]]


class ScoreCache:
    """Looks up pairs, scores the missing ones, and stores their logits."""

    def __init__(self, max_bytes: int) -> None:
        self.cache = ByteCache[bytes, float](max_bytes)

    async def score(self, pairs: Sequence[Pair], score: Score) -> Scored:
        """Score pairs, calling `score` for those not in the cache; raise its errors, with the index among all pairs."""
        keys = [pair.ids.astype(np.int32).tobytes() + pair.types.astype(np.int8).tobytes() for pair in pairs]
        cached = [self.cache.get(key) for key in keys]
        missing = [index for index, logit in enumerate(cached) if logit is None]
        scored = await self._score_missing(pairs, missing, score)
        logits = np.array([np.nan if logit is None else logit for logit in cached], np.float32)
        for index, logit in zip(missing, scored.logits.tolist(), strict=True):
            logits[index] = logit
            self.cache.put(keys[index], logit, len(keys[index]))
        return scored._replace(logits=logits)

    async def _score_missing(self, pairs: Sequence[Pair], missing: Sequence[int], score: Score) -> Scored:
        try:
            return await score([pairs[index] for index in missing])
        except ModelFailed as error:
            raise ModelFailed(error.message, pair=missing[error.pair]) from None
