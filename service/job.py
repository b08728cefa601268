"""What passes between the dialects and the spine: a Job in, a Ranking out. Every dialect speaks in these two."""

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One rerank request, checked and free of its dialect."""

    query: str
    documents: list[str]
    top_n: int | None = None
    """How many results to return, best first; None for all."""
    return_documents: bool = False
    raw_scores: bool = False
    max_chunks_per_doc: int = 1
    """Windows in which a long document is read at most, 1 or more; its best one counts. 1: its end is cut off."""
    overlap_tokens: int = 0
    """Tokens that a window shares with the one before it, 0 or more (see `models.windows`)."""
    model: str | None = None
    """The model's name as the client wrote it, to be echoed; None: it named none."""


class Ranked(msgspec.Struct, frozen=True):
    """One document's place: its index in the request and its score (relevance in [0, 1], or the logit if asked)."""

    index: int
    score: float


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a request spent in each stage."""

    tokenise_s: float
    queue_s: float
    inference_s: float
    total_s: float


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Job: results best first, the tokens that the model was given, and the stage times."""

    results: list[Ranked]
    tokens: int
    stages: Stages
