"""Raw rankings on disk: whole lines only, one writer, one ranking a query, and damage that names its line."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import provenance
from bench.accuracy import rankings
from bench.errors import BenchError, DataError
from bench.records import CandidatesNote, ContestantNote, DatasetNote, Failure, Ranking, RankingsHeader, Sample

HEADER = RankingsHeader(
    provenance.gather(None, None, {}),
    ContestantNote("c", "bm25", None, None),
    DatasetNote("d", "test", 2, 2, 0, 0, 1, "0" * 64),
    CandidatesNote("BM25", 2, "1" * 64, 0),
)


def _ranking(query_id: str) -> Ranking:
    return Ranking(query_id, ["d\n1", "dé"], [1.5, -2.0], Sample(query_id, 2, 0.0, 0.0, 1.0))


def _failure(query_id: str, error: str) -> Failure:
    return Failure(query_id, Sample(query_id, 2, 0.0, 0.0, 1.0, error=error))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "c.jsonl"
    with rankings.open_log(path) as log:
        for line in (HEADER, _ranking("q1"), _failure("q2", "first"), _failure("q2", "second"), _failure("q3", "x")):
            log.append(line)
    with rankings.open_log(path) as log:
        log.append(HEADER)
        log.append(_ranking("q3"))
    return path


def test_what_is_added_is_read_back(path: Path) -> None:
    """Headers of both sessions, rankings as they were, the last failure of a query that has no ranking."""
    found = rankings.read(path)
    assert found.headers == [HEADER, HEADER]
    assert found.rankings == {"q1": _ranking("q1"), "q3": _ranking("q3")}
    assert found.failures == {"q2": _failure("q2", "second")}


def test_a_line_without_its_end_is_passed_over_and_cut_off(path: Path) -> None:
    """A kill in the middle of any line: what was whole is read, and what is added then stands on a line of its own."""
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(ends[0], len(whole), 17):
        path.write_bytes(whole[:cut])
        before = rankings.read(path)
        with rankings.open_log(path) as log:
            log.append(_ranking("q9"))
        after = rankings.read(path)
        assert after.rankings == {**before.rankings, "q9": _ranking("q9")}
        assert path.read_bytes()[: max(end for end in ends if end <= cut)] == whole[: max(e for e in ends if e <= cut)]


def test_a_header_without_its_end_is_no_file_yet(path: Path) -> None:
    """Killed before the first line was whole: there is nothing, and nothing is in the way of a new beginning."""
    path.write_bytes(path.read_bytes()[:50])
    assert rankings.read_if_there(path) is None
    with rankings.open_log(path) as log:
        log.append(HEADER)
    assert rankings.read(path).headers == [HEADER]


def test_a_second_writer_is_refused(path: Path) -> None:
    """Two runs on one file would double every line: the later one ends with a sentence; a lock ends with its run."""
    with rankings.open_log(path), pytest.raises(BenchError, match="another run is writing to"), rankings.open_log(path):
        pass
    with rankings.open_log(path):
        pass


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: [lines[0], b"{}", *lines[1:]], "line 2 is not a valid raw ranking"),
        (lambda lines: [*lines[:2], lines[2][:40], *lines[3:]], "line 3 is not a valid raw ranking"),
        (lambda lines: [*lines[:2], b"\xff", *lines[2:]], "line 3 is not a valid raw ranking"),
        (lambda lines: lines[1:], "line 1: expected the header, found a ranking"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: the query 'q1' already has a ranking"),
        (lambda _: [b""], "contains no rankings; create them with `rerank-bench run`"),
    ],
)
def test_damage_names_its_line(path: Path, change: Callable[[list[bytes]], list[bytes]], sentence: str) -> None:
    """What no kill leaves behind is told with its place, not passed over."""
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(change(lines)))
    with pytest.raises(DataError, match=sentence):
        rankings.read(path)


def test_a_file_that_can_grow_no_more_is_one_sentence(path: Path) -> None:
    """As a full disk: the run ends, and what was written before is read the next time."""
    before, whole = rankings.read(path), path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, hard))
    try:
        with pytest.raises(BenchError, match="cannot be written: File too large"), rankings.open_log(path) as log:
            log.append(_ranking("q9"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == whole
    assert rankings.read(path) == before
