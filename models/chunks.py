"""Splitting documents that do not fit into the context window beside their query into chunks.

A chunk is a slice of the document's token ids, so the first chunk is exactly what truncation keeps. A word that is cut
at the edge of a chunk is complete in the neighbouring chunk if the overlap covers it. The score of a document is the
highest logit of its chunks (MaxP of Dai and Callan, "Deeper Text Understanding for IR with Contextual Neural Language
Modeling", 2019).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from models.pair import Logits, Pair
from models.wording import counted

Side = Literal["left", "right"]


class TooManyChunks(Exception):
    """The documents of a request have more chunks than the caller allows."""

    def __init__(self, count: int) -> None:
        super().__init__(f"the documents have {counted(count, 'chunk')}, more than the caller allows")
        self.count = count


class TooLong(Exception):
    """A text does not fit, and the caller does not allow truncation."""

    def __init__(self, document: int | None) -> None:
        super().__init__(f"document {document} is too long" if document is not None else "the query is too long")
        self.document = document
        """The index of the document, or None for the query."""


@dataclass(frozen=True, kw_only=True)
class ChunkOptions:
    """How a long document is read; the default is truncation, which reads only the first chunk.

    Args:
        max_chunks_per_doc: the maximum number of chunks per document; the text after the last chunk is not read.
        overlap_tokens: the tokens that consecutive chunks share, limited to half a chunk so that each chunk has more
            new tokens than repeated ones. (The size of a chunk depends on the query.)
        max_tokens_per_doc: the maximum number of tokens read per document; None for as many as its chunks hold.
        truncation_side: the end of a document that is cut off: "right" keeps its first tokens, "left" its last; None
            for the model's own side, which is "right" for nearly all.
        truncate: cut off what exceeds these limits; if False, raise TooLong instead.
    """

    max_chunks_per_doc: int = 1
    overlap_tokens: int = 0
    max_tokens_per_doc: int | None = None
    truncation_side: Side | None = None
    truncate: bool = True

    def __post_init__(self) -> None:
        if self.max_chunks_per_doc < 1:
            raise ValueError(f"max_chunks_per_doc must be 1 or more, not {self.max_chunks_per_doc}")
        if self.overlap_tokens < 0:
            raise ValueError(f"overlap_tokens must be 0 or more, not {self.overlap_tokens}")
        if self.max_tokens_per_doc is not None and self.max_tokens_per_doc < 1:
            raise ValueError(f"max_tokens_per_doc must be 1 or more, not {self.max_tokens_per_doc}")

    def reach(self, room: int) -> int:
        """Return the maximum number of tokens of a document that chunks of `room` tokens cover."""
        reach = room + (self.max_chunks_per_doc - 1) * self._step(room)
        return reach if self.max_tokens_per_doc is None else min(reach, self.max_tokens_per_doc)

    def spans(self, tokens: int, room: int) -> list[slice]:
        """Split a document of `tokens` tokens into one or more slices of at most `room` tokens, in order."""
        step = self._step(room)
        beyond_first = -(-max(0, tokens - room) // step)
        starts = range(0, min(1 + beyond_first, self.max_chunks_per_doc) * step, step)
        return [slice(start, min(start + room, tokens)) for start in starts]

    def _step(self, room: int) -> int:
        return room - min(self.overlap_tokens, room // 2)


TRUNCATION = ChunkOptions()
"""One chunk per document: the end of a long document is cut off."""


class ChunkedPairs(NamedTuple):
    """The pairs of a request, ordered by document and chunk, and the number of pairs of each document."""

    pairs: list[Pair]
    counts: list[int]

    def by_document(self) -> Iterator[list[Pair]]:
        """Yield the pairs of each document."""
        start = 0
        for count in self.counts:
            yield self.pairs[start : start + count]
            start += count

    def document(self, pair: int) -> int:
        """Return the index of the document to which a pair belongs."""
        return int(np.searchsorted(np.cumsum(self.counts), pair, side="right"))


def best_chunks(logits: Logits, counts: Sequence[int]) -> Logits:
    """Reduce the logits of all chunks [sum(counts)] to each document's highest [len(counts)]; every count is >= 1."""
    starts = np.cumsum([0, *counts[:-1]]) if counts else np.empty(0, np.int64)
    return np.maximum.reduceat(logits, starts)
