"""`rerank-bench latency` as a user types it: the table, the files, the exit code, one sentence."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.latency import records, samples
from bench.latency.files import profile_path
from tests.support.fake_reranker import FakeReranker, Reply


def _type(reranker: FakeReranker, results: Path, *arguments: str) -> Result:
    command = ["latency", "--url", reranker.url, "--data", "sample", "--results", str(results), *arguments]
    return CliRunner().invoke(main, command)


def test_a_profile_without_a_name_is_refused(reranker: FakeReranker, tmp_path: Path) -> None:
    """Before anything is sent or written."""
    result = _type(reranker, tmp_path, "--profile", " ")
    assert (result.exit_code, reranker.seen, list(tmp_path.iterdir())) == (1, [], [])
    assert "--profile needs a name that is not empty" in result.stderr


def test_latency_measures_and_records(reranker: FakeReranker, tmp_path: Path) -> None:
    """The table names the loop of every row; the file holds every sample, the warm-up apart, with its provenance."""
    flags = ["--documents", "3,65", "--requests", "8", "--warm-up", "2", "--concurrency", "2", "--profile", "mine/1"]
    result = _type(reranker, tmp_path, *flags)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("closed loop, concurrency 2") == 2
    assert "P90 ms" in result.stdout
    assert "stages P50 / P90 ms: tokenise 1.20 / 1.20" in result.stdout
    path = profile_path(tmp_path, "mine/1")
    assert f"profile: {path}" in result.stderr
    profile = samples.read(path)
    assert profile.note.profile == "mine/1"
    assert [plan.point.documents for plan in profile.note.plans] == [3, 65]
    assert (len(profile.observations(1).round), len(profile.warm_up(1).round)) == (8, 2)
    assert (profile.observations(1).documents == 65).all()
    assert profile.note.plans[1].filled_documents > 0
    assert profile.note.provenance.server == {"model_id": "fake", "device": "cpu"}
    assert profile.note.provenance.settings["concurrency"] == (2,) or profile.note.provenance.settings[
        "concurrency"
    ] == [2]
    assert len(records.read(path.with_suffix(".json")).points) == 2
    again = _type(reranker, tmp_path, *flags)
    assert again.stdout == result.stdout


def test_pairs_that_are_sent_again_are_told(reranker: FakeReranker, tmp_path: Path) -> None:
    """In a note below the point, when the passages are used up and when a point repeats another's; else no word."""
    flags = ["--documents", "150", "--requests", "30", "--warm-up", "2"]
    result = _type(reranker, tmp_path, *flags)
    assert result.exit_code == 0, result.stderr
    assert "note: 600 of 4500 pairs of query and passage (13%) were sent before in the same run; " in result.stdout
    fresh = _type(reranker, tmp_path / "fresh", "--documents", "20", "--requests", "30", "--concurrency", "1,2")
    assert fresh.stdout.count("were sent before in the same run") == 1
    assert "note: 600 of 600 pairs of query and passage (100%)" in fresh.stdout


def test_open_loops_are_named_with_their_rate(reranker: FakeReranker, tmp_path: Path) -> None:
    """--rate alone measures no closed loop; the schedule's kind stands in the row."""
    result = _type(
        reranker, tmp_path, "--rate", "20,40", "--arrivals", "constant", "--requests", "4", "--documents", "2"
    )
    assert "open loop, 20 requests/s constant" in result.stdout
    assert "open loop, 40 requests/s constant" in result.stdout
    assert "closed loop" not in result.stdout
    assert "sending delay P50" in result.stdout


def test_latency_without_success_gives_no_figures(reranker: FakeReranker, tmp_path: Path) -> None:
    """All requests failed: dashes in the table, exit code 1, one sentence."""
    reranker.replies = [None, *[Reply(500, {"message": "no"})] * 2]
    result = _type(reranker, tmp_path, "--requests", "2", "--warm-up", "0")
    assert result.exit_code == 1
    assert "concurrency 1: no request succeeded" in result.stderr.strip().splitlines()[-1]
    assert "2 of 2 (100.0%)" in result.stdout


def test_failures_of_one_kind_are_counted_together(reranker: FakeReranker, tmp_path: Path) -> None:
    """Messages that differ in their numbers have one cause, and percentiles of few answers say so."""
    reranker.replies = [None] * 6 + [Reply(500, {"message": f"{n} tokens wait"}) for n in range(5)]
    result = _type(reranker, tmp_path, "--requests", "8", "--documents", "4")
    assert "5 times: status 500: 0 tokens wait" in result.stdout
    assert "the percentiles are of only 3 answers" in result.stdout


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--documents", "1,0"], 2, "'--documents'"),
        (["--documents", ","], 2, "contains no value"),
        (["--rate", "fast"], 2, "'--rate'"),
        (["--length", "medium"], 1, "invalid --length 'medium'"),
        (["--requests", "2", "--rounds", "3"], 1, "cannot be divided into 3 rounds"),
        (["--documents", "12,305"], 1, "the number of distinct documents in sample is 304; lower --documents to 304"),
        (["--contestant", "bm25"], 1, "bm25 has no server, so it has no latency"),
    ],
)
def test_a_wrong_flag_is_one_sentence(
    reranker: FakeReranker, tmp_path: Path, flags: list[str], code: int, words: str
) -> None:
    """Before anything is sent."""
    result = _type(reranker, tmp_path, *flags)
    assert result.exit_code == code
    assert words in result.stderr
    assert reranker.seen == []


@pytest.mark.parametrize(
    ("length", "sentence"),
    [
        ("900-100", "invalid --length '900-100': the first bound is above the second"),
        ("100000-", "sample has no document of 100000 characters or more: its longest has"),
    ],
)
def test_a_length_that_no_document_has_is_told_as_typed(
    reranker: FakeReranker, tmp_path: Path, length: str, sentence: str
) -> None:
    """Bounds the wrong way round and a bound above the longest document are not told as a range of the two."""
    result = _type(reranker, tmp_path, "--length", length)
    assert result.exit_code == 1
    assert sentence in result.stderr
