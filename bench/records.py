"""The records: one struct for every file that the bench writes, and how it is read.

A record's raw results lie in it or beside it, so that every figure can be computed again, and it holds its provenance,
so that it can be judged. The field `record` names the kind. Raw rankings are lines instead
(`bench/accuracy/rankings.py`), each with its kind in the field `line`. `bench/storage.py` writes them.

What a release wrote, the next one reads. A new field has a default and needs no new number. A field that changes its
name or its meaning raises `format`, and a reader of the older number stays: it decodes the old struct and gives the new
one, so that nothing behind it knows of two. What a server says of itself (`Provenance.server`) and what a command was
given (`Provenance.settings`) are kept as they came: whoever reads a key there must do without it. The kept results in
`tests/kept/results` hold all this.
"""

from pathlib import Path
from typing import Any

import msgspec

from bench.errors import DataError


class Estimate(msgspec.Struct, frozen=True):
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Provenance(msgspec.Struct, frozen=True):
    """Where, when, with what and of what a record was taken."""

    created_utc: str
    commit: str | None
    """The bench's own commit, `-dirty` with local changes; None outside a checkout."""
    command: list[str]
    settings: dict[str, Any]
    client_cpu: str
    client_cores: int
    client_system: str
    versions: dict[str, str]
    url: str | None
    """None where no server was asked."""
    server: dict[str, Any] | None
    """The answer of the reranker's GET /info (model, device, settings); None where it has none."""


class DatasetNote(msgspec.Struct, frozen=True):
    """Which dataset was used and what is odd about it."""

    name: str
    split: str
    documents: int
    judged_queries: int
    empty_documents: int
    judgements_outside_corpus: int
    relevance_level: int
    """The grade from which a document counts as relevant in binary measures."""
    sha256: str
    """Over the files of the corpus, of the queries and of the split's qrels, in this order."""
    labels: str | None = None
    """What the labels are, where the catalogue knows the set."""
    human_labels: bool | None = None
    """False where a model or a script made them; None where the catalogue does not know the set."""
    doubts: list[str] = []
    """Why figures on this set are to be doubted, one sentence each; a table prints them all."""


class CandidatesNote(msgspec.Struct, frozen=True):
    """Which first-stage list every contestant was given."""

    source: str
    depth: int
    sha256: str
    queries_without_candidates: int


class Sample(msgspec.Struct, frozen=True):
    """One request as it went. Times are seconds on one monotonic clock that starts with the run."""

    query_id: str
    documents: int
    planned_s: float
    sent_s: float
    done_s: float
    first_byte_s: float | None = None
    status: int | None = None
    """The last HTTP status; None where no answer came."""
    attempts: int = 1
    tokens: int | None = None
    search_units: int | None = None
    """Cohere's unit of billing, where the server tells it."""
    usd: float | None = None
    """What the server itself says that the request cost."""
    server_timing_ms: dict[str, float] = {}
    error: str | None = None
    """Why the request failed; None is success."""


class ContestantNote(msgspec.Struct, frozen=True):
    """Who was asked; never with a key."""

    name: str
    dialect: str
    """Of the wire; `bm25` or `oracle` where no server was asked."""
    model: str | None
    """The name that was sent; None where none was."""
    url: str | None


class RankingsHeader(msgspec.Struct, frozen=True, tag_field="line", tag="header"):
    """The first line of a file of raw rankings, and again the first of every later session that added to it."""

    provenance: Provenance
    contestant: ContestantNote
    dataset: DatasetNote
    candidates: CandidatesNote
    format: int = 1


class Ranking(msgspec.Struct, frozen=True, tag_field="line", tag="ranking"):
    """One query's candidates in their new order, and the request that gave it."""

    query_id: str
    document_ids: list[str]
    scores: list[float]
    sample: Sample | None
    """None where nobody was asked."""


class Failure(msgspec.Struct, frozen=True, tag_field="line", tag="failure"):
    """One query without a ranking, and the request that failed: `sample.error` says why."""

    query_id: str
    sample: Sample


class AccuracyRecord(msgspec.Struct, frozen=True, tag_field="record", tag="accuracy"):
    """What `rerank-bench run` computes from one contestant's raw rankings on one dataset."""

    provenance: Provenance
    """Of the computation; `url` and `server` are those of the last session that asked."""
    sessions: list[Provenance]
    """Of everyone that asked, in order: more than one where a run was resumed."""
    contestant: ContestantNote
    dataset: DatasetNote
    candidates: CandidatesNote
    queries: int
    """Judged queries in this run: all of the split, or the sample that `--limit` drew."""
    measures: dict[str, Estimate]
    first_stage: dict[str, Estimate]
    per_query: dict[str, dict[str, float]]
    """Measure to query id to value; a query without an answer holds 0."""
    first_stage_per_query: dict[str, dict[str, float]]
    failures: list[Sample]
    tokens: int | None
    """Of the answered queries, where the server told; None where it never did."""
    search_units: int | None
    usd_per_1000_queries: float | None
    """None where it is not known."""
    cost_source: str | None
    """The month of the list price, or that the server told it."""
    tokens_per_1000_queries: float | None = None
    """By the answered queries whose tokens the server told."""
    format: int = 2


Record = AccuracyRecord


def read(path: Path) -> Record:
    """Read a record back; DataError where the file is none."""
    record: Record = read_as(path, Record)
    return record


def read_as(path: Path, kind: Any) -> Any:
    """Read a record of a stage's own kind back; DataError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} is not a bench record: {error}") from error
