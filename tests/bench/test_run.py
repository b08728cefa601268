"""Runs that go on where they stopped: killed, failed, refused, several contestants over several datasets, and cost."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench import rankings, records, run
from bench.cli import main
from bench.contestants.dialect import Price
from bench.records import AccuracyRecord, Ranking, Sample
from tests.bench.contestants.vendors import VENDORS, FakeVendor
from tests.bench.fake_reranker import FakeReranker, Reply
from tests.bench.running import running

ROOT = Path(__file__).parents[2]
WriteBeir = Callable[..., Path]


def _run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["run", *arguments], env=environment)


def _record(results: Path, contestant: str, dataset: str = "sample") -> AccuracyRecord:
    record = records.read(results / "accuracy" / dataset / f"{contestant}.json")
    assert isinstance(record, AccuracyRecord)
    return record


def _raw(results: Path, contestant: str, dataset: str = "sample") -> rankings.Rankings:
    return rankings.read(results / "accuracy" / dataset / f"{contestant}.jsonl")


def _error(result: Result) -> str:
    """What a run that must have failed says, without a trace."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return result.stderr[result.stderr.index("Error: ") :]


def _asked(server: FakeReranker) -> list[str]:
    """The queries that the server was asked, without the check of the beginning."""
    return [request["query"] for request in server.seen if request["query"] != "What is a panda?"]


def _many_queries(beir: WriteBeir, count: int) -> Path:
    """A dataset of `count` queries, each with a few candidates by BM25."""
    words = ["apple", "bread", "cheese", "dates", "eggs"]
    draw = random.Random(3)
    corpus = [{"_id": f"d{n}", "text": " ".join(draw.choices(words, k=8)) + f" number{n}"} for n in range(30)]
    queries = [{"_id": f"q{n}", "text": " ".join(draw.sample(words, 2)) + f" number{n % 30}"} for n in range(count)]
    qrels = "".join(f"q{n}\td{draw.randrange(30)}\t1\n" for n in range(count))
    return beir(
        corpus="".join(json.dumps(line) + "\n" for line in corpus),
        queries="".join(json.dumps(line) + "\n" for line in queries),
        qrels=qrels,
    )


def test_a_run_killed_at_any_moment_ends_like_an_unbroken_one(reranker: FakeReranker, beir: WriteBeir) -> None:
    """SIGKILL four times at random moments: nothing is lost, nothing twice, the measures are the same to the bit."""
    folder = _many_queries(beir, 60)
    whole, broken = folder / "whole", folder / "broken"
    flags = ["--data", str(folder), "--depth", "8", "--url", reranker.url]
    assert _run(*flags, "--results", str(whole)).exit_code == 0
    unbroken = len(_asked(reranker))
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
    ours, theirs = _raw(broken, "rerank", folder.name), _raw(whole, "rerank", folder.name)
    assert _without_times(ours) == _without_times(theirs)
    assert unbroken <= len(_asked(reranker)) <= unbroken + 4 * 2  # only what was in flight at a kill is asked again
    assert len(ours.headers) >= 2
    one, other = _record(broken, "rerank", folder.name), _record(whole, "rerank", folder.name)
    assert (one.per_query, one.measures, one.first_stage) == (other.per_query, other.measures, other.first_stage)
    assert (one.failures, one.tokens) == ([], other.tokens)
    assert len(one.sessions) == len(ours.headers)


def _without_times(raw: rankings.Rankings) -> dict[str, tuple[list[str], list[float]]]:
    return {query_id: (ranking.document_ids, ranking.scores) for query_id, ranking in raw.rankings.items()}


def test_the_same_command_again_asks_nobody_and_gives_the_same_record(reranker: FakeReranker, tmp_path: Path) -> None:
    """With nothing missing the record is computed from the raw file: the server may be gone, the record may be lost."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    first = _run(*flags)
    assert first.exit_code == 0, first.stderr
    before, asked = _record(tmp_path, "rerank"), len(reranker.seen)
    (tmp_path / "accuracy" / "sample" / "rerank.json").unlink()
    again = _run(*flags)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert len(reranker.seen) == asked
    after = _record(tmp_path, "rerank")
    assert after.sessions == before.sessions
    assert (after.measures, after.per_query, after.tokens) == (before.measures, before.per_query, before.tokens)
    assert after.provenance.server == {"model_id": "fake", "device": "cpu"}


def test_failed_queries_are_asked_again_and_only_they(reranker: FakeReranker, tmp_path: Path) -> None:
    """A failure stays until a ranking takes its place; then it counts no more, though its line is kept."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--concurrency", "1"]
    reranker.replies = [None, None, Reply(422, {"message": "no"})]
    assert "rerank on sample: 1 of 4 queries failed" in _error(_run(*flags))
    assert _record(tmp_path, "rerank").failures[0].query_id == "q2"
    reranker.seen.clear()
    assert _run(*flags).exit_code == 0
    assert len(_asked(reranker)) == 1
    assert _record(tmp_path, "rerank").failures == []
    lines = (tmp_path / "accuracy" / "sample" / "rerank.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in lines] == [
        *("header", "ranking", "failure", "ranking", "ranking"),
        *("header", "ranking"),
    ]


def test_a_limited_run_is_the_beginning_of_the_whole_one(reranker: FakeReranker, tmp_path: Path) -> None:
    """What --limit drew is not asked for again, and the record is always of the queries that were asked for now."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    assert _run(*flags, "--limit", "3").exit_code == 0
    assert _record(tmp_path, "rerank").queries == 3
    assert _run(*flags).exit_code == 0
    assert _record(tmp_path, "rerank").queries == 4
    assert len(_asked(reranker)) == 4
    assert _run(*flags, "--limit", "3").exit_code == 0
    assert len(_record(tmp_path, "rerank").per_query["nDCG@10"]) == 3


def test_a_server_that_is_gone_is_left_alone(
    reranker: FakeReranker, beir: WriteBeir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten failed queries in a row: the rest is not asked, no record is made of the part, and the next run goes on."""
    folder = _many_queries(beir, 40)
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r"), "--concurrency", "1"]
    reranker.replies = [*[None] * 6, *[Reply(400, {"message": "out of credit"})] * 40]
    error = _error(_run(*flags))
    assert f"rerank on {folder.name}: 10 queries in a row failed (status 400: out of credit), so 25 were not" in error
    assert "the same command again goes on from here" in error
    assert len(_asked(reranker)) == 15
    assert not (folder / "r" / "accuracy" / folder.name / "rerank.json").exists()
    reranker.replies = []
    assert _run(*flags).exit_code == 0
    assert len(_asked(reranker)) == 15 + 35


def test_several_contestants_over_several_datasets(reranker: FakeReranker, beir: WriteBeir, tmp_path: Path) -> None:
    """Each on each, one table a dataset with all of them, the oracle at its top; `all` is every set under the root."""
    beir()
    root = tmp_path / "root"
    (root / "beir").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels"):
        (root / "own").mkdir(exist_ok=True)
        (tmp_path / name).rename(root / "own" / name)
    (root / "beir" / "sample").symlink_to(ROOT / "bench" / "sample")
    specs = ["--contestant", "oracle", "--contestant", f"ours=rerank@{reranker.url}", "--contestant", "bm25"]
    result = _run(*specs, "--data", "all", "--results", str(tmp_path / "r"), environment={"RERANK_DATA": str(root)})
    assert result.exit_code == 0, result.stderr
    tables = result.stdout.split("accuracy: ")[1:]
    assert len(tables) == 2
    for table in tables:
        rows = re.findall(r"^  (oracle|ours|bm25) +[.\d]", table, re.MULTILINE)
        assert sorted(rows) == ["bm25", "oracle", "ours"]
        assert rows[0] == "oracle"
    files = {path.relative_to(tmp_path / "r" / "accuracy").as_posix() for path in (tmp_path / "r").rglob("*.json*")}
    assert files == {
        f"{dataset}/{name}"
        for dataset in ("own", "sample")
        for name in (
            "candidates.json",
            *(f"{contestant}.{ending}" for contestant in ("bm25", "oracle", "ours") for ending in ("json", "jsonl")),
        )
    }
    bm25, ours = _record(tmp_path / "r", "bm25"), _record(tmp_path / "r", "ours")
    assert bm25.measures == ours.first_stage
    assert bm25.provenance.url is None
    assert _record(tmp_path / "r", "oracle").measures["nDCG@10"].value >= ours.measures["nDCG@10"].value


def test_one_contestant_that_cannot_be_measured_does_not_stop_the_others(
    reranker: FakeReranker, no_one_there: str, tmp_path: Path
) -> None:
    """Nobody at one URL: the other contestant's table is printed, and the exit code is 1 with the sentence."""
    specs = ["--contestant", f"gone=rerank@{no_one_there}", "--contestant", f"here=rerank@{reranker.url}"]
    result = _run(*specs, "--data", "sample", "--results", str(tmp_path))
    assert f"gone on sample: no server answers at {no_one_there}" in _error(result)
    assert "  here " in result.stdout
    assert list((tmp_path / "accuracy" / "sample").glob("gone*")) == []


def test_a_missing_key_is_one_sentence_before_any_request(reranker: FakeReranker, tmp_path: Path) -> None:
    """The variable is named, and nobody is asked, not even the contestants that need no key."""
    specs = ["--contestant", f"rerank@{reranker.url}", "--contestant", "cohere:rerank-v3.5"]
    environment = {"COHERE_API_KEY": ""}
    result = _run(*specs, "--data", "sample", "--results", str(tmp_path / "r"), environment=environment)
    assert "'cohere:rerank-v3.5' needs a key: set COHERE_API_KEY in the environment" in _error(result)
    assert reranker.seen == []
    assert not (tmp_path / "r").exists()


def test_no_key_is_printed_or_recorded(reranker: FakeReranker, tmp_path: Path) -> None:
    """Not on either stream and not in any file, though the server repeats it in a refusal that is cut in its middle."""
    key = "sk-very-secret-0123456789"
    reranker.replies = [None, *[Reply(401, {"message": f"{'x' * 150} Incorrect API key provided: {key}"})] * 4]
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    result = _run(*flags, environment={"RERANKER_API_KEY": key})
    assert set(reranker.seen_keys) == {f"Bearer {key}"}
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json*"))
    for text in (result.stdout, written):
        assert "(the key)" in text
    for text in (result.stdout, result.stderr, written):
        assert "secret" not in text


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
        (_nothing, ["--depth", "9"], {}, "holds the top 10 of BM25 (k1=0.9 b=0.4), not the top 9;"),
        (_changed_candidates, [], {}, "candidates.json was changed after it was frozen"),
        (_other_candidates, ["--depth", "2"], {}, "rerank.jsonl holds rankings of other candidates (BM25"),
        (_nothing, ["--candidates", "other.trec"], {}, "not the top 10 of the run other.trec (sha256 "),
        (_nothing, [], {"model_id": "new"}, "rerank.jsonl holds rankings of model_id fake, and the server now has new"),
    ],
    ids=["depth", "changed", "other", "run file", "model"],
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
    assert _run(*usual, "--limit", "2").exit_code == 0
    change(results)
    raw = (results / "accuracy" / "sample" / "rerank.jsonl").read_bytes()
    reranker.seen.clear()
    reranker.info |= info
    error = _error(_run(*usual, *flags))
    assert sentence in error
    assert "give another --results folder" in error
    assert len(error.strip().splitlines()) == 1
    assert _asked(reranker) == []
    assert (results / "accuracy" / "sample" / "rerank.jsonl").read_bytes() == raw


def test_another_dataset_under_the_same_name_is_refused(reranker: FakeReranker, beir: WriteBeir) -> None:
    """One more document makes it another dataset, though folder and candidates may be the same."""
    folder = beir()
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r")]
    assert _run(*flags).exit_code == 0
    beir(corpus='{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "two"}\n{"_id": "d3", "text": "three"}\n')
    assert f"candidates.json is of another {folder.name} (test, sha256 " in _error(_run(*flags))


def test_a_split_other_than_test_has_its_own_folder(reranker: FakeReranker, beir: WriteBeir) -> None:
    """dev and test of one dataset do not get in each other's way."""
    folder = beir()
    beir(split="dev")
    flags = ["--url", reranker.url, "--data", str(folder), "--results", str(folder / "r")]
    assert _run(*flags).exit_code == 0
    assert _run(*flags, "--split", "dev").exit_code == 0
    assert {path.name for path in (folder / "r" / "accuracy").iterdir()} == {folder.name, f"{folder.name}-dev"}


def test_the_same_contestant_with_another_dialect_is_refused(reranker: FakeReranker, tmp_path: Path) -> None:
    """A NAME that stood for one model must not come to stand for another."""
    usual = ["--data", "sample", "--results", str(tmp_path), "--contestant"]
    assert _run(*usual, f"x=rerank@{reranker.url}").exit_code == 0
    assert "holds rankings of rerank with model None, not of bm25" in _error(_run(*usual, "x=bm25"))
    assert "not of rerank with model m" in _error(_run(*usual, f"x=rerank:m@{reranker.url}"))


def test_requests_keep_to_the_contestants_rate_and_concurrency(reranker: FakeReranker, tmp_path: Path) -> None:
    """Five requests at 600 a minute: the last leaves after 0.4 s at the earliest; one at a time is one at a time."""
    spec = f"rerank@{reranker.url},per_minute=600,concurrency=1"
    reranker.delay_s = 0.02
    flags = ["--data", "sample", "--results", str(tmp_path), "--concurrency", "4"]
    assert _run("--contestant", spec, *flags).exit_code == 0
    sent_s = [ranking.sample.sent_s for ranking in _raw(tmp_path, "rerank").rankings.values() if ranking.sample]
    assert len(sent_s) == 4
    assert max(sent_s) >= 0.4
    assert reranker.most_in_flight == 1
    session = _record(tmp_path, "rerank").sessions[0]
    assert (session.settings["concurrency"], session.settings["per_minute"]) == (1, 600)


def test_cost_is_the_list_price_of_what_was_counted() -> None:
    """By tokens, by search units, or as the server told it; None where the unit of the price was never told."""
    approx: Callable[[float], Any] = pytest.approx
    samples = [Sample(f"q{n}", 2, 0, 0, 1, tokens=tokens, usd=0.001) for n, tokens in enumerate([1000, 3000, None])]
    usd, source = run.usd_per_1000_queries(samples, Price("2026-05", per_million_tokens=0.05))
    assert (usd, source) == (approx(0.1), "list price of 2026-05")
    usd, source = run.usd_per_1000_queries(samples, None)
    assert (usd, source) == (approx(1.0), "told by the server")
    units = [Sample("q", 2, 0, 0, 1, search_units=units) for units in (1, 2)]
    assert run.usd_per_1000_queries(units, Price("2026-04", per_search_unit=0.002))[0] == approx(3.0)
    assert run.usd_per_1000_queries(units, Price("2026-05", per_million_tokens=0.05)) == (None, None)
    assert run.usd_per_1000_queries([], None) == (None, None)


def test_a_vendor_is_measured_with_its_counts_and_without_a_price_elsewhere(tmp_path: Path) -> None:
    """Search units are summed; a price holds at the vendor's own host only, so here the cost is not known."""
    with running(FakeVendor(next(vendor for vendor in VENDORS if vendor.dialect == "cohere"))) as server:
        result = _run("--contestant", f"cohere@{server.url}", "--data", "sample", "--results", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    record = _record(tmp_path, "cohere-rerank-v3.5")
    assert (record.search_units, record.tokens, record.usd_per_1000_queries) == (4, None, None)
    assert record.contestant == records.ContestantNote(
        "cohere-rerank-v3.5", "cohere", "rerank-v3.5", f"{server.url}/v2/rerank"
    )


def test_rankings_hold_every_candidate_with_falling_scores(reranker: FakeReranker, tmp_path: Path) -> None:
    """A raw line is the whole list in its new order; equal scores keep the candidates' order."""
    assert _run("--url", reranker.url, "--data", "sample", "--results", str(tmp_path)).exit_code == 0
    candidates = json.loads((tmp_path / "accuracy" / "sample" / "candidates.json").read_text(encoding="utf-8"))
    for query_id, ranking in _raw(tmp_path, "rerank").rankings.items():
        listed = candidates["lists"][query_id]
        assert isinstance(ranking, Ranking)
        assert sorted(ranking.document_ids) == sorted(listed)
        pairs = list(zip(ranking.scores, ranking.document_ids, strict=True))
        assert pairs == sorted(pairs, key=lambda pair: (-pair[0], listed.index(pair[1])))
    assert os.listdir(tmp_path) == ["accuracy"]  # noqa: PTH208  # names only
