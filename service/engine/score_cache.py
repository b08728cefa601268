"""Logits of pairs that were scored before, where the operator wants them remembered.

A pair is known by its token and segment ids, so the same texts cut in another way are another pair, and so are those
between which a separator is moved that somebody wrote into them. Off unless it is asked for: it
makes a benchmark lie, and a model's answer to a pair never changes.
"""

from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from models.cache import ByteCache
from models.pair import Pair
from service.engine.entry import Scored
from service.errors import ModelFailed


class ScoreCache:
    """Asks for what it does not know, and remembers it."""

    def __init__(self, max_bytes: int) -> None:
        self.cache = ByteCache[bytes, float](max_bytes)

    async def score(self, pairs: Sequence[Pair], entry: Callable[[Sequence[Pair]], Awaitable[Scored]]) -> Scored:
        """Score pairs; raise what `ask` raises, its pair counted among all."""
        keys = [pair.ids.astype(np.int32).tobytes() + pair.types.astype(np.int8).tobytes() for pair in pairs]
        known = [self.cache.get(key) for key in keys]
        missing = [place for place, logit in enumerate(known) if logit is None]
        scored = await self._ask(pairs, missing, entry)
        logits = np.array([np.nan if logit is None else logit for logit in known], np.float32)
        for place, logit in zip(missing, scored.logits.tolist(), strict=True):
            logits[place] = logit
            self.cache.put(keys[place], logit, len(keys[place]))
        return scored._replace(logits=logits)

    async def _ask(
        self, pairs: Sequence[Pair], missing: Sequence[int], entry: Callable[[Sequence[Pair]], Awaitable[Scored]]
    ) -> Scored:
        try:
            return await entry([pairs[place] for place in missing])
        except ModelFailed as error:
            raise ModelFailed(error.message, pair=missing[error.pair]) from None
