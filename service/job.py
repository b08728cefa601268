"""The types between the dialects and the engine: every dialect turns requests into Jobs and Rankings into responses."""

from typing import Literal

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One query with its documents, validated and independent of the dialect."""

    query: str
    documents: list[str]
    top_n: int | None = None
    """How many results to return, best first; None for all."""
    raw_scores: bool = False
    max_chunks_per_doc: int = 1
    """Maximum chunks scored per long document, at least 1; the best one counts. 1 truncates the document."""
    overlap_tokens: int = 0
    """Tokens shared by neighbouring chunks, 0 or more (see `models.chunks`)."""
    max_tokens_per_doc: int | None = None
    """Maximum tokens scored per document, at least 1; None for as many as its chunks hold."""
    truncate: bool = True
    """Truncate texts that are too long; False rejects the request instead."""
    truncation_side: Literal["left", "right"] = "right"
    """Which end of a long document is cut off; "right", the default, leaves it to the model, nearly all of which lose
    the right end."""
    priority: int = 0
    """Queued requests with lower values are served first."""
    model: str | None = None
    """The model named by the client; None if it named none."""


class Ranked(msgspec.Struct, frozen=True):
    """One document: its index in the request and its score (relevance in [0, 1], or the logit if requested)."""

    index: int
    score: float


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a request spent in each stage."""

    tokenise_s: float
    queue_s: float
    inference_s: float
    total_s: float


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a request."""

    tokens: int
    """Input tokens of the model, special tokens included, summed over all pairs."""
    search_units: int
    """Cohere's unit: one per query with up to 100 documents; each chunk of a long document counts as a document."""
    usd: float | None
    """The price of the tokens in US dollars, by the model's card; None if the card has no price."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Job, or to several at once: the results, their cost, and the stage times."""

    results: list[Ranked]
    """Best first; in the request's order if the client asked for scores instead of a ranking."""
    usage: Usage
    stages: Stages
