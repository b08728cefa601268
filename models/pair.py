"""A pair: one query and one document as the token ids that a cross-encoder reads.

The unit of work everywhere: the tokeniser makes pairs, the plan groups them into batches, the session runs them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


class Pair(NamedTuple):
    """Token ids and segment ids of one pair, special tokens included, unpadded; both of shape [length], int64."""

    ids: TokenIds
    types: TokenIds

    def __len__(self) -> int:
        """Length in tokens (not the number of fields)."""
        return len(self.ids)
