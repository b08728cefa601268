"""Raw rankings on disk: `<contestant>.jsonl`, one line per query, append-only (`bench.storage.JsonLog`).

The file, and every later session that adds to it, starts with a header. A query has at most one ranking: a failed query
is reranked again, and its ranking then replaces the failure.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.records import Failure, Ranking, RankingsHeader
from bench.storage import JsonLog, read_lines

Line = RankingsHeader | Ranking | Failure


@dataclass(frozen=True)
class Rankings:
    """The contents of a file of raw rankings."""

    headers: list[RankingsHeader]
    """One per session, in order; never empty."""
    rankings: dict[str, Ranking]
    """By query id, in the order of the file."""
    failures: dict[str, Failure]
    """The last failure of every query without a ranking, the latest last."""


def read(path: Path) -> Rankings:
    """Read a file of raw rankings; DataError with the line number if it is not one."""
    rankings = read_if_there(path)
    if rankings is None:
        raise DataError(f"{path} contains no rankings; create them with `rerank-bench run`")
    return rankings


def read_if_there(path: Path) -> Rankings | None:
    """Read a file of raw rankings; None if it does not exist or has no complete line."""
    contents = Rankings([], {}, {})
    for number, line in enumerate(read_lines(path, Line, "raw ranking"), start=1):
        if isinstance(line, RankingsHeader):
            contents.headers.append(line)
        elif not contents.headers:
            raise DataError(f"{path} line {number}: expected the header, found a ranking")
        elif isinstance(line, Failure):
            contents.failures.pop(line.query_id, None)  # the latest failure stands last
            contents.failures[line.query_id] = line
        elif line.query_id in contents.rankings:
            raise DataError(f"{path} line {number}: the query {line.query_id!r} already has a ranking")
        else:
            contents.rankings[line.query_id] = line
    for query_id in contents.rankings:
        contents.failures.pop(query_id, None)
    return contents if contents.headers else None


def open_log(path: Path) -> JsonLog[Line]:
    """Return the file as a log to append to; opening it raises BenchError if another run has it."""
    return JsonLog(path, if_locked=if_locked(path))


def if_locked(path: Path) -> str:
    """Return the error message if another process is writing the rankings or their record."""
    return f"another run is writing to {path}: wait for it to end, or give the contestant another NAME"
