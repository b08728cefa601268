"""A pair: one query and one document (or chunk) as the token ids that a cross-encoder reads.

Pairs are the unit of work: the tokeniser makes them, batch planning groups them and the session runs them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


class Pair(NamedTuple):
    """The token ids and segment ids of one unpadded pair, including special tokens; both int64 [length]."""

    ids: TokenIds
    types: TokenIds

    def __len__(self) -> int:
        """Return the length in tokens (not the number of fields)."""
        return len(self.ids)
