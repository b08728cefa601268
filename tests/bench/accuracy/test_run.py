"""Runs of several contestants over several datasets: their records, their keys, their pace and their cost."""

import json
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.accuracy.measures import STANDARD
from bench.accuracy.record import usd_per_1000_queries
from bench.contestants.dialect import Price
from bench.records import Ranking, Sample
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.running import running
from tests.support.runs import ROOT, WriteBeir, bench_run, many_queries, rankings_of, record_of, sentence_of
from tests.support.vendors import VENDORS, FakeVendor


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
    result = bench_run(
        *specs, "--data", "all", "--results", str(tmp_path / "r"), environment={"RERANK_DATA": str(root)}
    )
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
    bm25, ours = record_of(tmp_path / "r", "bm25"), record_of(tmp_path / "r", "ours")
    assert bm25.measures == ours.first_stage
    assert bm25.provenance.url is None
    assert record_of(tmp_path / "r", "oracle").measures["nDCG@10"].value >= ours.measures["nDCG@10"].value


def test_one_contestant_that_cannot_be_measured_does_not_stop_the_others(
    reranker: FakeReranker, no_one_there: str, tmp_path: Path
) -> None:
    """Nobody at one URL: the other contestant's table is printed, and the exit code is 1 with the sentence."""
    specs = ["--contestant", f"gone=rerank@{no_one_there}", "--contestant", f"here=rerank@{reranker.url}"]
    result = bench_run(*specs, "--data", "sample", "--results", str(tmp_path))
    assert f"gone on sample: no server answers at {no_one_there}" in sentence_of(result)
    assert "  here " in result.stdout
    assert list((tmp_path / "accuracy" / "sample").glob("gone*")) == []


def test_a_missing_key_is_one_sentence_before_any_request(reranker: FakeReranker, tmp_path: Path) -> None:
    """The variable is named, and nobody is asked, not even the contestants that need no key."""
    specs = ["--contestant", f"rerank@{reranker.url}", "--contestant", "cohere:rerank-v3.5"]
    environment = {"COHERE_API_KEY": ""}
    result = bench_run(*specs, "--data", "sample", "--results", str(tmp_path / "r"), environment=environment)
    assert "'cohere:rerank-v3.5' needs an API key: set the environment variable COHERE_API_KEY" in sentence_of(result)
    assert reranker.seen == []
    assert not (tmp_path / "r").exists()


def test_no_key_is_printed_or_recorded(reranker: FakeReranker, tmp_path: Path) -> None:
    """Not on either stream and not in any file, though the server repeats it in a refusal that is cut in its middle."""
    key = "sk-very-secret-0123456789"
    reranker.replies = [None, *[Reply(401, {"message": f"{'x' * 150} Incorrect API key provided: {key}"})] * 4]
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path)]
    result = bench_run(*flags, environment={"RERANKER_API_KEY": key})
    assert set(reranker.seen_keys) == {f"Bearer {key}"}
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json*"))
    for text in (result.stdout, written):
        assert "(the key)" in text
    for text in (result.stdout, result.stderr, written):
        assert "secret" not in text


def test_requests_keep_to_the_contestants_rate_and_concurrency(reranker: FakeReranker, tmp_path: Path) -> None:
    """15 requests at 600 a minute: the last leaves after 1.4 s at the earliest; one at a time is one at a time."""
    spec = f"rerank@{reranker.url},per_minute=600,concurrency=1"
    reranker.delay_s = 0.02
    flags = ["--data", "sample", "--results", str(tmp_path), "--concurrency", "4"]
    assert bench_run("--contestant", spec, *flags).exit_code == 0
    sent_s = [ranking.sample.sent_s for ranking in rankings_of(tmp_path, "rerank").rankings.values() if ranking.sample]
    assert len(sent_s) == 14
    assert max(sent_s) >= 1.4
    assert reranker.most_in_flight == 1
    session = record_of(tmp_path, "rerank").sessions[0]
    assert (session.settings["concurrency"], session.settings["per_minute"]) == (1, 600)


def test_cost_is_the_list_price_of_what_was_counted() -> None:
    """By tokens, by search units, or as the server told it; None where the unit of the price was never told."""
    approx: Callable[[float], Any] = pytest.approx
    samples = [Sample(f"q{n}", 2, 0, 0, 1, tokens=tokens, usd=0.001) for n, tokens in enumerate([1000, 3000, None])]
    usd, source = usd_per_1000_queries(samples, Price("2026-05", per_million_tokens=0.05))
    assert (usd, source) == (approx(0.1), "list price as of 2026-05")
    usd, source = usd_per_1000_queries(samples, None)
    assert (usd, source) == (approx(1.0), "reported by the server")
    units = [Sample("q", 2, 0, 0, 1, search_units=units) for units in (1, 2)]
    assert usd_per_1000_queries(units, Price("2026-04", per_search_unit=0.002))[0] == approx(3.0)
    assert usd_per_1000_queries(units, Price("2026-05", per_million_tokens=0.05)) == (None, None)
    assert usd_per_1000_queries([], None) == (None, None)


def test_a_vendor_is_measured_with_its_counts_and_without_a_price_elsewhere(tmp_path: Path) -> None:
    """Search units are summed; a price holds at the vendor's own host only, so here the cost is not known."""
    with running(FakeVendor(next(vendor for vendor in VENDORS if vendor.dialect == "cohere"))) as server:
        result = bench_run("--contestant", f"cohere@{server.url}", "--data", "sample", "--results", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    record = record_of(tmp_path, "cohere-rerank-v3.5")
    assert (record.search_units, record.tokens, record.usd_per_1000_queries) == (14, None, None)
    assert record.contestant == records.ContestantNote(
        "cohere-rerank-v3.5", "cohere", "rerank-v3.5", f"{server.url}/v2/rerank"
    )


def test_rankings_hold_every_candidate_with_falling_scores(reranker: FakeReranker, tmp_path: Path) -> None:
    """A raw line is the whole list in its new order; equal scores keep the candidates' order."""
    assert bench_run("--url", reranker.url, "--data", "sample", "--results", str(tmp_path)).exit_code == 0
    candidates = json.loads((tmp_path / "accuracy" / "sample" / "candidates.json").read_text(encoding="utf-8"))
    for query_id, ranking in rankings_of(tmp_path, "rerank").rankings.items():
        listed = candidates["lists"][query_id]
        assert isinstance(ranking, Ranking)
        assert sorted(ranking.document_ids) == sorted(listed)
        pairs = list(zip(ranking.scores, ranking.document_ids, strict=True))
        assert pairs == sorted(pairs, key=lambda pair: (-pair[0], listed.index(pair[1])))
    assert os.listdir(tmp_path) == ["accuracy"]  # noqa: PTH208  # names only


def test_further_measures_and_tokens_are_told(reranker: FakeReranker, tmp_path: Path) -> None:
    """They are also computed for existing rankings; an unknown measure is refused before any request is sent."""
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--depth", "10"]
    assert "unknown measure 'nDGC'" in sentence_of(bench_run(*flags, "--measure", "nDGC"))
    assert reranker.seen == []
    assert bench_run(*flags).exit_code == 0
    told = bench_run(*flags, "--measure", "AP", "--measure", "R@3").stdout
    record = record_of(tmp_path, "rerank")
    assert set(record.measures) - {"AP", "R@3"} == {str(measure) for measure in STANDARD}
    assert 0 < record.measures["AP"].value <= 1
    assert set(record.first_stage) == set(record.measures)
    samples = [ranking.sample for ranking in rankings_of(tmp_path, "rerank").rankings.values()]
    tokens = [sample.tokens for sample in samples if sample and sample.tokens]
    assert record.tokens_per_1000_queries == 1000 * sum(tokens) / len(tokens)
    assert re.search(rf"AP +R@3 +tokens/1000 queries.*\n  rerank .* {record.tokens_per_1000_queries:,.0f} ", told)


def test_the_seed_reaches_the_comparison_too(reranker: FakeReranker, beir: WriteBeir) -> None:
    """The bootstrap of the mean difference is drawn by it."""
    folder = many_queries(beir, 40)
    reranker.score = lambda query, document: float(zlib.crc32((query + document).encode()))
    flags = ["--contestant", "bm25", "--url", reranker.url, "--data", str(folder), "--results", str(folder / "r")]
    lines = [
        next(line for line in bench_run(*flags, "--seed", seed).stdout.splitlines() if "paired: " in line)
        for seed in ("0", "0", "1")
    ]
    assert lines[0] == lines[1]
    assert lines[0] != lines[2]
