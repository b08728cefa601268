"""What passes between the dialects and the engine: a Job in, a Ranking out. Every dialect speaks in these two."""

from typing import Literal

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One query with its documents, checked and free of its dialect."""

    query: str
    documents: list[str]
    top_n: int | None = None
    """How many results to return, best first; None for all."""
    raw_scores: bool = False
    max_chunks_per_doc: int = 1
    """Chunks of a long document that are scored at most, 1 or more; the best one counts. 1: its end is cut off."""
    overlap_tokens: int = 0
    """Tokens that a chunk shares with the one before it, 0 or more (see `models.chunks`)."""
    max_tokens_per_doc: int | None = None
    """Tokens of a document that are scored at most, 1 or more; None for as many as its chunks hold."""
    truncate: bool = True
    """Cut what is too long; False refuses the request."""
    truncation_side: Literal["left", "right"] = "right"
    """Which end of a long document is cut off."""
    priority: int = 0
    """Lower goes first where requests wait."""
    model: str | None = None
    """The model's name as the client wrote it; None where it named none."""


class Ranked(msgspec.Struct, frozen=True):
    """One document: its index in the request and its score (relevance in [0, 1], or the logit if asked)."""

    index: int
    score: float


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a request spent in each stage."""

    tokenise_s: float
    queue_s: float
    inference_s: float
    total_s: float


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a request cost."""

    tokens: int
    """Tokens that the model was given, special tokens included, summed over all pairs."""
    search_units: int
    """Cohere's measure: a query with up to 100 documents is one; each chunk of a long document counts as a document."""
    usd: float | None
    """The tokens at the price on the model's card; None where the card has none."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Job, or to several at once: results, what they cost, and the stage times."""

    results: list[Ranked]
    """Best first; in the request's order where the client asked for scores and not for a ranking."""
    usage: Usage
    stages: Stages
