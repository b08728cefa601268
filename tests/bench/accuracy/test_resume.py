"""Runs that go on where they stopped: killed, failed, limited; and folders of something else, which are refused."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy import rankings
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.runs import ROOT, WriteBeir, asked, bench_run, many_queries, rankings_of, record_of, sentence_of


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_like_an_unbroken_one(reranker: FakeReranker, beir: WriteBeir) -> None:
    """SIGKILL four times at random moments: nothing is lost, nothing twice, the measures are the same to the bit."""
    folder = many_queries(beir, 60)
    whole, broken = folder / "whole", folder / "broken"
    flags = ["--data", str(folder), "--depth", "8", "--url", reranker.url]
    assert bench_run(*flags, "--results", str(whole)).exit_code == 0
    unbroken = len(asked(reranker))
    reranker.seen.clear()
    reranker.delay_s = 0.03
    command = [sys.executable, "-m", "bench.cli", "run", *flags, "--results", str(broken)]
    draw = random.Random()  # other moments in every run of the suite
    for kill in range(4):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        enough = kill * 12 + draw.randrange(12)
        while len(reranker.seen) < enough and process.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.03))
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ours, theirs = rankings_of(broken, "rerank", folder.name), rankings_of(whole, "rerank", folder.name)
    assert _without_times(ours) == _without_times(theirs)
    assert unbroken <= len(asked(reranker)) <= unbroken + 4 * 2  # only what was in flight at a kill is asked again
    assert len(ours.headers) >= 2
    one, other = record_of(broken, "rerank", folder.name), record_of(whole, "rerank", folder.name)
    assert (one.per_query, one.measures, one.first_stage) == (other.per_query, other.measures, other.first_stage)
    assert (one.failures, one.tokens) == ([], other.tokens)
    assert len(one.sessions) == len(ours.headers)


def _without_times(raw: rankings.Rankings) -> dict[str, tuple[list[str], list[float]]]:
    return {query_id: (ranking.document_ids, ranking.scores) for query_id, ranking in raw.rankings.items()}


def test_the_same_command_again_asks_nobody_and_gives_the_same_record(reranker: FakeReranker, tmp_path: Path) -> None:
    """With nothing missing the record is computed from the raw file: the server may be gone, the record may be lost."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    first = bench_run(*flags)
    assert first.exit_code == 0, first.stderr
    before, asked = record_of(tmp_path, "rerank"), len(reranker.seen)
    (tmp_path / "accuracy" / "sample" / "rerank.json").unlink()
    again = bench_run(*flags)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert len(reranker.seen) == asked
    after = record_of(tmp_path, "rerank")
    assert after.sessions == before.sessions
    assert (after.measures, after.per_query, after.tokens) == (before.measures, before.per_query, before.tokens)
    assert after.provenance.server == {"model_id": "fake", "device": "cpu"}


def test_failed_queries_are_asked_again_and_only_they(reranker: FakeReranker, tmp_path: Path) -> None:
    """A failure stays until a ranking takes its place; then it counts no more, though its line is kept."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--concurrency", "1"]
    reranker.replies = [None, None, Reply(422, {"message": "no"})]
    assert "rerank on sample: 1 of 14 queries failed" in sentence_of(bench_run(*flags))
    assert record_of(tmp_path, "rerank").failures[0].query_id == "q2"
    reranker.seen.clear()
    assert bench_run(*flags).exit_code == 0
    assert len(asked(reranker)) == 1
    assert record_of(tmp_path, "rerank").failures == []
    lines = (tmp_path / "accuracy" / "sample" / "rerank.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in lines] == [
        *("header", "ranking", "failure", *["ranking"] * 12),
        *("header", "ranking"),
    ]


def test_a_limited_run_is_the_beginning_of_the_whole_one(reranker: FakeReranker, tmp_path: Path) -> None:
    """What --limit drew is not asked for again, and the record is always of the queries that were asked for now."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    assert bench_run(*flags, "--limit", "3").exit_code == 0
    assert record_of(tmp_path, "rerank").queries == 3
    assert bench_run(*flags).exit_code == 0
    assert record_of(tmp_path, "rerank").queries == 14
    assert len(asked(reranker)) == 14
    assert bench_run(*flags, "--limit", "3").exit_code == 0
    assert len(record_of(tmp_path, "rerank").per_query["nDCG@10"]) == 3


def test_a_server_that_is_gone_is_left_alone(
    reranker: FakeReranker, beir: WriteBeir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten failed queries in a row: the rest is not asked, no record is made of the part, and the next run goes on."""
    folder = many_queries(beir, 40)
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r"), "--concurrency", "1"]
    reranker.replies = [*[None] * 6, *[Reply(400, {"message": "out of credit"})] * 40]
    error = sentence_of(bench_run(*flags))
    assert (
        f"rerank on {folder.name}: 10 queries in a row failed (status 400: out of credit), so 25 queries were not"
        in error
    )
    assert "run the same command again to resume" in error
    assert len(asked(reranker)) == 15
    assert not (folder / "r" / "accuracy" / folder.name / "rerank.json").exists()
    reranker.replies = []
    assert bench_run(*flags).exit_code == 0
    assert len(asked(reranker)) == 15 + 35


def test_queries_that_fail_for_good_do_not_hold_up_the_rest(
    reranker: FakeReranker, beir: WriteBeir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve bad queries, ten of them in a row: each repetition gets on, and in the end there is a record of all."""
    folder = many_queries(beir, 40)
    bad = {f"q{place}" for place in (*range(3, 13), 20, 30)}
    texts = {json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text().splitlines()[3:13]}
    texts |= {json.loads((folder / "queries.jsonl").read_text().splitlines()[place])["text"] for place in (20, 30)}
    usual = reranker.answer

    def answer(request: dict[str, Any]) -> Reply:
        return Reply(422, {"message": "too long"}) if request["query"] in texts else usual(request)

    monkeypatch.setattr(reranker, "answer", answer)
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r"), "--concurrency", "1"]
    assert "10 queries in a row failed (status 422: too long), so 27 queries were not sent" in sentence_of(
        bench_run(*flags)
    )
    for _ in range(2):
        assert "12 of 40 queries failed" in sentence_of(bench_run(*flags))
        record = record_of(folder / "r", "rerank", folder.name)
        assert {sample.query_id for sample in record.failures} == bad
        assert record.queries == 40
    assert len(rankings_of(folder / "r", "rerank", folder.name).rankings) == 28
    asked_again = [request["query"] for request in reranker.seen if request["query"] in texts]
    assert {asked_again.count(text) for text in texts} == {2, 3}  # ten at a time, in turn: none is passed over for good


def _changed_candidates(results: Path) -> None:
    path = results / "accuracy" / "sample" / "candidates.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"tea-1"', '"tea-2"', 1), encoding="utf-8")


def _other_candidates(results: Path) -> None:
    (results / "accuracy" / "sample" / "candidates.json").unlink()


def _nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "flags", "info", "sentence"),
    [
        (_nothing, ["--depth", "9"], {}, "contains the top 10 of BM25 (k1=0.9 b=0.4), not the top 9;"),
        (_changed_candidates, [], {}, "candidates.json was modified after it was frozen"),
        (_other_candidates, ["--depth", "2"], {}, "rerank.jsonl contains rankings of other candidates (BM25"),
        (_nothing, ["--candidates", "other.trec"], {}, "not the top 10 of the run other.trec (sha256 "),
        (
            _nothing,
            [],
            {"model_id": "new"},
            "rerank.jsonl contains rankings by model_id fake, but the server now has new",
        ),
        (_nothing, [], {"artefact_sha256": "b2"}, "contains rankings by artefact_sha256 a1, but the server now has b2"),
    ],
    ids=["depth", "changed", "other", "run file", "model", "artefact"],
)
def test_a_folder_of_something_else_is_refused(
    reranker: FakeReranker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    flags: list[str],
    info: dict[str, Any],
    sentence: str,
) -> None:
    """Figures of different candidates or models must not meet: one sentence, nothing asked, nothing changed."""
    monkeypatch.chdir(tmp_path)
    Path("other.trec").write_text("q1 Q0 tea-1 1 1 x\nq2 Q0 tea-1 1 1 x\n", encoding="utf-8")
    results = tmp_path / "r"
    usual = ["--url", reranker.url, "--data", "sample", "--results", str(results), "--depth", "10"]
    reranker.info["artefact_sha256"] = "a1"
    assert bench_run(*usual, "--limit", "2").exit_code == 0
    change(results)
    raw = (results / "accuracy" / "sample" / "rerank.jsonl").read_bytes()
    reranker.seen.clear()
    reranker.info |= info
    error = sentence_of(bench_run(*usual, *flags))
    assert sentence in error
    assert "use another --results folder" in error
    assert len(error.strip().splitlines()) == 1
    assert asked(reranker) == []
    assert (results / "accuracy" / "sample" / "rerank.jsonl").read_bytes() == raw


def test_another_dataset_under_the_same_name_is_refused(reranker: FakeReranker, beir: WriteBeir) -> None:
    """One more document makes it another dataset, though folder and candidates may be the same."""
    folder = beir()
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r")]
    assert bench_run(*flags).exit_code == 0
    beir(corpus='{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "two"}\n{"_id": "d3", "text": "three"}\n')
    assert f"candidates.json is for another {folder.name} (test, sha256 " in sentence_of(bench_run(*flags))


def test_a_split_other_than_test_has_its_own_folder(reranker: FakeReranker, beir: WriteBeir) -> None:
    """dev and test of one dataset do not get in each other's way."""
    folder = beir()
    beir(split="dev")
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r")]
    assert bench_run(*flags).exit_code == 0
    assert bench_run(*flags, "--split", "dev").exit_code == 0
    assert {path.name for path in (folder / "r" / "accuracy").iterdir()} == {folder.name, f"{folder.name}-dev"}


def test_the_same_contestant_with_another_dialect_is_refused(reranker: FakeReranker, tmp_path: Path) -> None:
    """A NAME that stood for one model must not come to stand for another."""
    usual = ["--data", "sample", "--results", str(tmp_path), "--contestant"]
    assert bench_run(*usual, f"x=rerank@{reranker.url}").exit_code == 0
    assert "contains rankings by rerank with model None, not by bm25" in sentence_of(bench_run(*usual, "x=bm25"))
    assert "not by rerank with model m" in sentence_of(bench_run(*usual, f"x=rerank:m@{reranker.url}"))
