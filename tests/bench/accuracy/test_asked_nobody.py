"""A run that requests nothing says so, and looks whether the server still has the model of the rankings."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.support.fake_reranker import FakeReranker
from tests.support.runs import bench_run, rankings_of, sentence_of

BEFORE = {"model_id": "fake", "model_sha": "sha256:aa", "device": "cpu"}


@pytest.fixture
def flags(reranker: FakeReranker, tmp_path: Path) -> list[str]:
    """The flags of a run that has been made."""
    reranker.info = dict(BEFORE)
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    assert "nothing was requested" not in bench_run(*flags).stderr
    return flags


def test_the_same_model_is_said_to_be_the_same(reranker: FakeReranker, tmp_path: Path, flags: list[str]) -> None:
    """One sentence on stderr, with the file; the table is as before."""
    asked = len(reranker.seen)
    again = bench_run(*flags)
    file = tmp_path / "accuracy" / "sample" / "rerank.jsonl"
    told = f"rerank on sample: {file} already has every ranking, so nothing was requested; {reranker.url} still has"
    assert f"{told} the same model\n" in again.stderr
    assert (again.exit_code, len(reranker.seen)) == (0, asked)


@pytest.mark.parametrize("field", ["model_id", "model_sha"])
def test_another_model_is_refused(reranker: FakeReranker, tmp_path: Path, flags: list[str], field: str) -> None:
    """The figures on file are not those of the server that was named; the record is not made again."""
    before = (tmp_path / "accuracy" / "sample" / "rerank.json").read_bytes()
    reranker.info[field] = "other"
    told = sentence_of(bench_run(*flags))
    assert f"contains rankings by {field} {BEFORE[field]}, but the server now has other; use another --results" in told
    assert (tmp_path / "accuracy" / "sample" / "rerank.json").read_bytes() == before
    assert len(rankings_of(tmp_path, "rerank").rankings) == 14


def test_a_server_that_is_gone_is_said_not_to_be_known(no_one_there: str, tmp_path: Path, flags: list[str]) -> None:
    """The record can be computed without it, and the table says the same; but nobody should think it was measured."""
    done = bench_run("--url", no_one_there, *flags[2:])
    assert done.exit_code == 0
    assert f"nothing was requested; whether {no_one_there} still has the same model is not known" in done.stderr


def test_references_have_no_server_to_look_at(tmp_path: Path) -> None:
    """They say that nothing was missing, and no more."""
    for _ in range(2):
        done = bench_run("--contestant", "bm25", "--data", "sample", "--results", str(tmp_path))
    assert done.stderr.splitlines()[0].endswith("bm25.jsonl already has every ranking, so nothing was requested")


def test_a_finished_profile_is_compared_with_the_server(reranker: FakeReranker, tmp_path: Path) -> None:
    """`latency` too: the same model is said to be the same, another one is refused."""
    command = ["latency", "--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--documents", "2"]
    command += ["--requests", "2"]
    assert CliRunner().invoke(main, command).exit_code == 0
    asked = len(reranker.seen)
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 0
    assert f"so nothing was requested; {reranker.url} still has the same model and settings" in again.stderr
    reranker.info = {"model_id": "other", "device": "cpu"}
    other = CliRunner().invoke(main, command)
    assert other.exit_code == 1
    assert "server's model_id was fake, is now other" in other.stderr
    assert len(reranker.seen) == asked
