"""The records: one struct for every kind of file that the bench writes, and the functions that read them.

A record's raw results are in it or beside it, so that every figure can be computed again, and it contains its
provenance. The field `record` names its kind. Raw rankings are JSON lines instead (`bench/accuracy/rankings.py`), each
with its kind in the field `line`. `bench/storage.py` writes them.

Each release reads what earlier ones wrote. A new field has a default and needs no new format number. A field whose name
or meaning changes raises `format`, and the reader of the older format stays: it decodes the old struct and returns the
new one, so that no other code handles two formats. The server's own information (`Provenance.server`) and the command's
settings (`Provenance.settings`) are kept unchanged, so a reader must not rely on any key in them. The results in
`tests/kept/results` test this.
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
    """When, where and how a record was made: commit, command, settings, machine, versions and server."""

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
    """None if no server was involved."""
    server: dict[str, Any] | None
    """The reranker's answer to GET /info (model, device, settings); None if it has no such route."""


class DatasetNote(msgspec.Struct, frozen=True):
    """The dataset that was used, and its known problems."""

    name: str
    split: str
    documents: int
    judged_queries: int
    empty_documents: int
    judgements_outside_corpus: int
    relevance_level: int
    """The lowest grade that counts as relevant in binary measures."""
    sha256: str
    """Hash of the files of the corpus, of the queries and of the split's qrels, in this order."""
    labels: str | None = None
    """A description of the labels, if the dataset is in the catalogue."""
    human_labels: bool | None = None
    """False if a model or a script made the labels; None if the dataset is not in the catalogue."""
    doubts: list[str] = []
    """Reasons to doubt figures on this dataset, one sentence each; tables print them all."""


class CandidatesNote(msgspec.Struct, frozen=True):
    """The first-stage candidates that every contestant reranked."""

    source: str
    depth: int
    sha256: str
    queries_without_candidates: int


class Sample(msgspec.Struct, frozen=True):
    """One request and its outcome. Times are seconds on one monotonic clock that starts with the run."""

    query_id: str
    documents: int
    planned_s: float
    sent_s: float
    done_s: float
    first_byte_s: float | None = None
    status: int | None = None
    """The last HTTP status; None if no answer came."""
    attempts: int = 1
    tokens: int | None = None
    search_units: int | None = None
    """Cohere's billing unit, if the server reports it."""
    usd: float | None = None
    """The cost of the request as reported by the server."""
    server_timing_ms: dict[str, float] = {}
    error: str | None = None
    """The reason for a failure; None for a success."""


class ContestantNote(msgspec.Struct, frozen=True):
    """The contestant that was measured, without its API key."""

    name: str
    dialect: str
    """The wire dialect; `bm25` or `oracle` for a contestant without a server."""
    model: str | None
    """The model name that was sent; None if none was."""
    url: str | None


class RankingsHeader(msgspec.Struct, frozen=True, tag_field="line", tag="header"):
    """The first line of a file of raw rankings, and of every later session that added to it."""

    provenance: Provenance
    contestant: ContestantNote
    dataset: DatasetNote
    candidates: CandidatesNote
    format: int = 1


class Ranking(msgspec.Struct, frozen=True, tag_field="line", tag="ranking"):
    """One query's candidates in their new order, and the request that returned it."""

    query_id: str
    document_ids: list[str]
    scores: list[float]
    sample: Sample | None
    """None for a contestant without a server."""


class Failure(msgspec.Struct, frozen=True, tag_field="line", tag="failure"):
    """One query without a ranking, and the failed request; `sample.error` is the reason."""

    query_id: str
    sample: Sample


class AccuracyRecord(msgspec.Struct, frozen=True, tag_field="record", tag="accuracy"):
    """The figures that `rerank-bench run` computes from one contestant's raw rankings on one dataset."""

    provenance: Provenance
    """Provenance of the computation; `url` and `server` are those of the last session that sent requests."""
    sessions: list[Provenance]
    """Provenance of the sessions that sent requests, in order; more than one if the run was resumed."""
    contestant: ContestantNote
    dataset: DatasetNote
    candidates: CandidatesNote
    queries: int
    """Judged queries in this run: all of the split, or the sample drawn for `--limit`."""
    measures: dict[str, Estimate]
    first_stage: dict[str, Estimate]
    per_query: dict[str, dict[str, float]]
    """Measure to query id to value; a query without an answer has 0."""
    first_stage_per_query: dict[str, dict[str, float]]
    failures: list[Sample]
    tokens: int | None
    """Total of the answered queries; None if the server never reported tokens."""
    search_units: int | None
    usd_per_1000_queries: float | None
    """None if unknown."""
    cost_source: str | None
    """The list price with its month, or the server."""
    tokens_per_1000_queries: float | None = None
    """Based on the answered queries for which the server reported tokens."""
    format: int = 2


Record = AccuracyRecord


def read(path: Path) -> Record:
    """Read a record; DataError if the file is not one."""
    record: Record = read_as(path, Record)
    return record


def read_as(path: Path, kind: Any) -> Any:
    """Read a record of type `kind`; DataError if the file is not one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(f"{path} is not a bench record: {error}") from error
