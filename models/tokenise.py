"""Turn texts into pairs of token ids, exactly as the model's own tokenizer encodes pairs.

The query is tokenised once per request and each document separately. Both are then joined by the tokenizer's own pair
template (special tokens before, between and after), which gives the same token ids as encoding each pair. Truncation
cuts the document; a query longer than three quarters of the context window is cut to three quarters, as in
FlagEmbedding's FlagReranker. On request, a long document is split into several chunks (see `models.chunks`). A very
long document is read only as far as its chunks reach, so five megabytes cost no more than a page.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from models.artefact import ArtefactError, OptionError
from models.cache import ByteCache
from models.chunks import TRUNCATION, ChunkedPairs, ChunkOptions, Side, TooLong, TooManyChunks
from models.cpus import usable_cpus
from models.pair import Pair, TokenIds
from models.wording import counted

CHARACTERS_PER_TOKEN = 16
"""Characters of a text to read at first for each token that fits; most text has 3 to 6 characters per token."""
MARGIN_TOKENS = 128
"""Extra tokens that a partly read text must yield, so that the tokens which the cut changed are discarded. WordPiece
can split a part of a word into up to 100 tokens although the whole word is one unknown token."""

TEXTS_PER_CPU = 8
"""Texts per call of the tokenizer. Its threads work in order of arrival, so a small request would wait for the whole of
a large one: 2.6 s for 1,000 long documents in one call, but some milliseconds with small calls."""


class SpecialTokens(NamedTuple):
    """The special tokens at one position of the template: their token ids and segment ids."""

    ids: TokenIds
    types: TokenIds

    def in_segment(self, segment: int) -> "SpecialTokens":
        """The same tokens with another segment id."""
        return SpecialTokens(self.ids, np.full_like(self.types, segment))


class PairTemplate(NamedTuple):
    """The layout of a pair: prefix, query, middle, document, suffix."""

    prefix: SpecialTokens
    middle: SpecialTokens
    suffix: SpecialTokens
    query_type: int
    document_type: int

    @property
    def special_tokens(self) -> int:
        """The number of special tokens in a pair."""
        return len(self.prefix.ids) + len(self.middle.ids) + len(self.suffix.ids)


class _CachedDocument(NamedTuple):
    """The token ids of a document that was tokenised before."""

    ids: npt.NDArray[np.int32]
    whole: bool
    """Whether these are all tokens of the document."""


class Tokeniser:
    """A model's tokenizer with its context window; safe to call from several threads at once.

    Args:
        tokenizer: the model's own tokenizer.
        max_tokens: the context window: the maximum length of a pair in tokens.
        cache_bytes: the size of the cache of documents' token ids, including the texts; 0 for no cache.
        truncation_side: the end of a long document that is cut off unless a request says otherwise; None for the side
            that the tokenizer.json states in its `truncation`, else "right".
    """

    def __init__(
        self, tokenizer: Tokenizer, max_tokens: int, *, cache_bytes: int = 0, truncation_side: Side | None = None
    ) -> None:
        self.cache = ByteCache[str, _CachedDocument](cache_bytes)
        self.truncation_side: Side = truncation_side or _stated_side(tokenizer)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._texts_at_a_time = TEXTS_PER_CPU * usable_cpus()
        self._template = read_template(tokenizer)
        self.max_tokens = max_tokens
        self.max_query_tokens = max_tokens * 3 // 4
        if max_tokens - self.max_query_tokens <= self._template.special_tokens:
            raise OptionError(
                "max_tokens",
                f"a window of {counted(max_tokens, 'token')} is too small for a pair: use a larger {OptionError.NAME}",
            )

    @classmethod
    def open(cls, path: Path, max_tokens: int, *, cache_bytes: int = 0) -> "Tokeniser":
        """Read a tokenizer.json; raise ArtefactError if it is not valid."""
        try:
            return cls(Tokenizer.from_file(str(path)), max_tokens, cache_bytes=cache_bytes)
        except ArtefactError:
            raise
        except Exception as error:  # noqa: BLE001 - the Rust binding raises bare Exception
            raise ArtefactError(f"{path} is not a valid tokenizer.json: {error}") from None

    def with_window(self, max_tokens: int) -> "Tokeniser":
        """The same tokenizer with another window, without a cache: reading a large tokenizer.json takes a second."""
        return Tokeniser(self._tokenizer, max_tokens, truncation_side=self.truncation_side)

    def pairs(self, query: str, documents: Sequence[str]) -> list[Pair]:
        """Pair the query with each document; return one unpadded pair of at most `max_tokens` tokens per document."""
        return self.chunked_pairs(query, documents, TRUNCATION).pairs

    def chunked_pairs(
        self, query: str, documents: Sequence[str], chunk_options: ChunkOptions, *, max_pairs: int | None = None
    ) -> ChunkedPairs:
        """Pair the query with each chunk of each document; return unpadded pairs of at most `max_tokens` tokens.

        Raises:
            TooManyChunks: the documents have more than `max_pairs` chunks.
            TooLong: a text does not fit, and the options do not allow truncation.
        """
        # if truncation is not allowed, one more token is read to detect a text that does not fit
        one_more = 0 if chunk_options.truncate else 1
        limit = self.max_query_tokens if chunk_options.truncate else self.max_tokens - self._template.special_tokens - 1
        query_ids = self._encode([query], limit + one_more)[0]
        if len(query_ids) > limit:
            raise TooLong(None)
        room = self.max_tokens - len(query_ids) - self._template.special_tokens
        if max_pairs is not None:  # one chunk too many is enough to reject the request; no document is read further
            few = min(chunk_options.max_chunks_per_doc, max_pairs + 1)
            chunk_options = replace(chunk_options, max_chunks_per_doc=few)
        reach = chunk_options.reach(room)
        side = chunk_options.truncation_side or self.truncation_side
        encoded = self._encode_documents(documents, reach + one_more, side)
        for index, ids in enumerate(encoded):
            if len(ids) > reach:
                raise TooLong(index)
        spans = [chunk_options.spans(len(ids), room) for ids in encoded]
        counts = [len(document_spans) for document_spans in spans]
        if max_pairs is not None and sum(counts) > max_pairs:
            raise TooManyChunks(sum(counts))
        chunks = [ids[span] for ids, document_spans in zip(encoded, spans, strict=True) for span in document_spans]
        return ChunkedPairs(self._join(query_ids, chunks), counts)

    def _join(self, query_ids: TokenIds, chunks: Sequence[TokenIds]) -> list[Pair]:
        """Join the query with each chunk by the template."""
        template = self._template
        head = np.concatenate([template.prefix.ids, query_ids, template.middle.ids])
        query_types = np.full(len(query_ids), template.query_type, np.int64)
        head_types = np.concatenate([template.prefix.types, query_types, template.middle.types])
        return [
            Pair(
                np.concatenate([head, ids, template.suffix.ids]),
                np.concatenate(
                    [head_types, np.full(len(ids), template.document_type, np.int64), template.suffix.types]
                ),
            )
            for ids in chunks
        ]

    def _encode_documents(self, documents: Sequence[str], room: int, side: Side) -> Sequence[TokenIds]:
        """Encode documents, using the cache if there is one."""
        if self.cache.max_bytes == 0 or side == "left":
            return self._encode(documents, room, side)
        encoded = [self._cached(document, room) for document in documents]
        missing = [index for index, ids in enumerate(encoded) if ids is None]
        # the room varies with the query: encode as much as the shortest query leaves, unless far less is needed
        depth = max(room, self.max_tokens) if room > self.max_tokens // 2 else room
        for index, ids in zip(missing, self._encode([documents[index] for index in missing], depth), strict=True):
            document, kept = documents[index], ids.astype(np.int32)
            size = sys.getsizeof(document) + kept.nbytes
            self.cache.put(document, _CachedDocument(kept, whole=len(ids) < depth), size)
            encoded[index] = ids[:room]
        return [ids for ids in encoded if ids is not None]

    def _cached(self, document: str, room: int) -> TokenIds | None:
        cached = self.cache.get(document)
        if cached is None or (len(cached.ids) < room and not cached.whole):
            return None
        return cached.ids[:room].astype(np.int64)

    def _encode(self, texts: Sequence[str], room: int, side: Side = "right") -> list[TokenIds]:
        """Encode texts without special tokens, each cut to its first (or last) `room` tokens."""
        reach = max(room, 1) * CHARACTERS_PER_TOKEN
        encodings = self._batch([_part_of(text, reach, side) for text in texts])
        return [self._ids(text, encoding, reach, room, side) for text, encoding in zip(texts, encodings, strict=True)]

    def _ids(self, text: str, encoding: Encoding, reach: int, room: int, side: Side) -> TokenIds:
        """Return the ids of one text, reading further as long as the part read so far does not fill the room."""
        while len(text) > reach and len(encoding.ids) < room + MARGIN_TOKENS:
            reach *= 4
            encoding = self._batch([_part_of(text, reach, side)])[0]
        ids = encoding.ids[-room:] if side == "left" else encoding.ids[:room]
        return np.array(ids, dtype=np.int64)

    def _batch(self, texts: list[str]) -> list[Encoding]:
        parts = [texts[start : start + self._texts_at_a_time] for start in range(0, len(texts), self._texts_at_a_time)]
        return [
            encoding for part in parts for encoding in self._tokenizer.encode_batch_fast(part, add_special_tokens=False)
        ]


def _part_of(text: str, reach: int, side: Side) -> str:
    return text[-reach:] if side == "left" else text[:reach]


def _stated_side(tokenizer: Tokenizer) -> Side:
    truncation: dict[str, object] = tokenizer.truncation or {}
    return "left" if truncation.get("direction") == "left" else "right"


def read_template(tokenizer: Tokenizer) -> PairTemplate:
    """Derive the template from an encoded pair, in which the special tokens belong to neither sequence.

    Raises:
        ArtefactError: the layout is not that of a cross-encoder.
    """
    probe = tokenizer.encode("one two", "three four")
    sequences: list[int | None] = probe.sequence_ids
    if 0 not in sequences or 1 not in sequences:
        raise ArtefactError(
            "tokenizer.json yields no tokens for plain English words: it does not belong to a text model"
        )
    runs = [text for text, _ in groupby(sequences) if text is not None]
    if runs != [0, 1]:
        raise ArtefactError(
            "tokenizer.json puts special tokens inside a text, a text twice, or the document before the query: this "
            "pair layout is not supported"
        )
    query_start, document_start = sequences.index(0), sequences.index(1)
    query_end = query_start + sequences.count(0)
    document_end = document_start + sequences.count(1)
    if query_end == document_start:
        raise ArtefactError(
            "tokenizer.json puts no special token between the query and the document, so it is not a cross-encoder's: "
            "a decoder reranker, which needs a prompt around its texts, is not supported by this version, and a "
            "cross-encoder's tokenizer.json has a post-processor that separates the two"
        )
    ids, types = np.array(probe.ids, np.int64), np.array(probe.type_ids, np.int64)

    def special_tokens(start: int, end: int) -> SpecialTokens:
        return SpecialTokens(ids[start:end], types[start:end])

    return PairTemplate(
        prefix=special_tokens(0, query_start),
        middle=special_tokens(query_end, document_start),
        suffix=special_tokens(document_end, len(ids)),
        query_type=int(types[query_start]),
        document_type=int(types[document_start]),
    )
