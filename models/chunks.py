"""Chunks of a document that is longer than the room beside its query; the best one speaks for the document.

A chunk is a slice of the document's token ids, so the first is exactly what truncation leaves, and a word that an edge
cuts in two is whole in the neighbour where the overlap reaches over it. The score of a document is the highest logit of
its chunks (MaxP of Dai and Callan, "Deeper Text Understanding for IR with Contextual Neural Language Modeling", 2019).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from models.pair import Logits, Pair

Side = Literal["left", "right"]


class TooManyChunks(Exception):
    """A request comes to more chunks than its caller allows."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} chunks are more than were allowed")
        self.count = count


class TooLong(Exception):
    """A text that would have to be cut, where its caller wants none cut."""

    def __init__(self, document: int | None) -> None:
        super().__init__(f"document {document} is too long" if document is not None else "the query is too long")
        self.document = document
        """Its index; None: it is the query."""


@dataclass(frozen=True, kw_only=True)
class ChunkOptions:
    """How a long document is read; the default is truncation, which reads its first chunk only.

    Args:
        max_chunks_per_doc: chunks of a document at most; what lies beyond the last is not read.
        overlap_tokens: tokens that a chunk shares with the one before it; more than half of the room counts as half,
            since the room is known only with the query, and a chunk should bring more that is new than is not.
        max_tokens_per_doc: tokens of a document that are read at most; None for as many as its chunks hold.
        truncation_side: which end of a document is cut off: "right" keeps its first tokens, "left" its last.
        truncate: cut what is longer than that; False raises TooLong.
    """

    max_chunks_per_doc: int = 1
    overlap_tokens: int = 0
    max_tokens_per_doc: int | None = None
    truncation_side: Side = "right"
    truncate: bool = True

    def __post_init__(self) -> None:
        if self.max_chunks_per_doc < 1:
            raise ValueError(f"max_chunks_per_doc must be 1 or more, not {self.max_chunks_per_doc}")
        if self.overlap_tokens < 0:
            raise ValueError(f"overlap_tokens must be 0 or more, not {self.overlap_tokens}")
        if self.max_tokens_per_doc is not None and self.max_tokens_per_doc < 1:
            raise ValueError(f"max_tokens_per_doc must be 1 or more, not {self.max_tokens_per_doc}")

    def reach(self, room: int) -> int:
        """Tokens of a document that all chunks of `room` tokens together read at most."""
        reach = room + (self.max_chunks_per_doc - 1) * self._step(room)
        return reach if self.max_tokens_per_doc is None else min(reach, self.max_tokens_per_doc)

    def spans(self, tokens: int, room: int) -> list[slice]:
        """Cut a document of so many tokens: slices of at most `room`, in order, at least one."""
        step = self._step(room)
        beyond_first = -(-max(0, tokens - room) // step)
        starts = range(0, min(1 + beyond_first, self.max_chunks_per_doc) * step, step)
        return [slice(start, min(start + room, tokens)) for start in starts]

    def _step(self, room: int) -> int:
        return room - min(self.overlap_tokens, room // 2)


TRUNCATION = ChunkOptions()
"""One chunk for each document: its end is cut off."""


class ChunkedPairs(NamedTuple):
    """The pairs of a request, chunk after chunk and document after document, and how many each document has."""

    pairs: list[Pair]
    counts: list[int]

    def by_document(self) -> Iterator[list[Pair]]:
        """Each document's pairs."""
        start = 0
        for count in self.counts:
            yield self.pairs[start : start + count]
            start += count

    def document(self, pair: int) -> int:
        """Index of the document to which a pair belongs."""
        return int(np.searchsorted(np.cumsum(self.counts), pair, side="right"))


def best_chunks(logits: Logits, counts: Sequence[int]) -> Logits:
    """Logits of all chunks, [sum(counts)], to the highest of each document, [len(counts)]; each count is 1 or more."""
    starts = np.cumsum([0, *counts[:-1]]) if counts else np.empty(0, np.int64)
    return np.maximum.reduceat(logits, starts)
