"""Results of an earlier version: present code reads them all, computes the same figures, and builds the report."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from bench.accuracy import rankings
from bench.accuracy.record import compute_record
from bench.accuracy.selection import select
from bench.arena import record_reader
from bench.arena.ledger import read_ballots
from bench.arena.records import Standings
from bench.candidates.frozen import Choice, load_or_freeze
from bench.cli import main
from bench.data import datasets
from bench.latency import records as latency_records
from bench.latency import samples
from bench.latency.files import figures
from bench.load import samples as load_samples
from bench.published import published
from bench.records import AccuracyRecord, DatasetNote
from tests.support.runs import record_of

KEPT = Path(__file__).parents[1] / "kept"
SAMPLE = KEPT / "sample"
CONTESTANTS = ("bm25", "embedded", "failing", "oracle")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy that a command may write to."""
    return Path(shutil.copytree(KEPT / "results", tmp_path / "results"))


def rerank_bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _with_measures_of(record: AccuracyRecord, other: AccuracyRecord) -> AccuracyRecord:
    """The record with the measures of an other, which may have fewer."""
    fields = ("measures", "per_query", "first_stage", "first_stage_per_query")
    return replace(record, **{field: {key: getattr(record, field)[key] for key in other.measures} for field in fields})


def _with_labels_of(note: DatasetNote, other: DatasetNote) -> DatasetNote:
    """The note with the other's words on who labelled: the catalogue knows today's dataset of the name."""
    return replace(note, labels=other.labels, human_labels=other.human_labels)


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_raw_rankings_and_candidates_give_the_same_record(contestant: str) -> None:
    """Every field: measures, intervals, first stage, failures, tokens, all sessions; a measure may come to them."""
    folder = KEPT / "results" / "accuracy" / "sample"
    dataset = datasets.load(SAMPLE)
    candidates = load_or_freeze(dataset, Choice(), folder)
    kept = record_of(KEPT / "results", contestant)
    raw = rankings.read(folder / f"{contestant}.jsonl")
    now = compute_record(raw, select(dataset), candidates, kept.provenance, price=None, seed=0)
    now = replace(now, dataset=_with_labels_of(now.dataset, kept.dataset))
    assert _with_measures_of(now, kept) == kept


def test_the_kept_records_hold_what_they_were_kept_for() -> None:
    """A resumed run, a failure, counted tokens, and a server's own words under a name of that time."""
    embedded, failing = (record_of(KEPT / "results", name) for name in ("embedded", "failing"))
    assert [session.settings["limit"] for session in embedded.sessions] == [2, None]
    assert embedded.tokens
    assert embedded.provenance.server
    assert embedded.provenance.server["lanes"] == 2
    assert [sample.error for sample in failing.failures] == ["status 422: too long"]


def test_the_same_command_goes_on_with_the_folder_and_asks_nobody(results: Path) -> None:
    """`rerank-bench run` as it was typed, at an address where nobody is: the same figures, nothing new on file."""
    spec = "embedded=rerank@http://127.0.0.1:1"
    before = {path: path.read_bytes() for path in results.rglob("*.jsonl")}
    done = rerank_bench("run", "--contestant", spec, "--contestant", "bm25", "--data", SAMPLE, "--results", results)
    assert done.exit_code == 0, done.stderr
    assert {path: path.read_bytes() for path in results.rglob("*.jsonl")} == before
    for name in ("embedded", "bm25"):
        now, kept = record_of(results, name), record_of(KEPT / "results", name)
        assert _with_measures_of(now, kept).measures == kept.measures
        assert now.sessions == kept.sessions


@pytest.mark.parametrize("profile", ["one", "two"])
def test_a_latency_profile_gives_the_same_figures(profile: str) -> None:
    """From the samples in Parquet, with the points of both loops."""
    path = KEPT / "results" / "latency" / f"{profile}.parquet"
    kept = latency_records.read(path.with_suffix(".json"))
    assert figures(samples.read(path)) == kept
    assert {at.plan.point.loop for at in kept.points} == {"closed", "open"}


def test_latency_profiles_can_be_compared() -> None:
    """`rerank-bench compare` finds them by name."""
    done = rerank_bench("compare", "one", "two", "--results", KEPT / "results")
    assert done.exit_code == 0, done.stderr
    assert "two compared with one: " in done.stdout


def test_the_arena_gives_the_same_ratings(results: Path) -> None:
    """From the ballots on file, none of which is cast again."""
    ballots = results / "arena" / "qrels.jsonl"
    before = read_ballots(ballots)
    done = rerank_bench("arena", "--results", results, "--data", SAMPLE)
    assert done.exit_code == 0, done.stderr
    assert read_ballots(ballots) == before
    now, kept = (record_reader.read(folder / "arena" / "qrels.json") for folder in (results, KEPT / "results"))
    assert now.format > kept.format
    assert (_without_win_rates(now.overall), now.pairings) == (kept.overall, kept.pairings)
    assert {name: _without_win_rates(of) for name, of in now.by_dataset.items()} == kept.by_dataset
    for at in now.overall.standings:
        assert at.win_rate_tie_half
        matches = at.wins + at.losses + at.ties
        assert at.win_rate_tie_half.value == pytest.approx((at.wins + at.ties / 2) / matches, abs=1e-6)
    assert "published Elo" in done.stdout


def _without_win_rates(of: Standings) -> Standings:
    """The standings as a record of format 1 has them, whose win rates meant something else."""
    return replace(of, standings=[replace(at, win_rate_tie_half=None) for at in of.standings])


def test_an_arena_record_of_format_2_is_read() -> None:
    """Two rating groups, of which one contestant is in both."""
    record = record_reader.read(KEPT / "arena-format-2" / "qrels.json")
    assert (record.format, record.left_out) == (2, [])
    assert [table.datasets for table in record.overall.tables] == [["toy"], ["hard"]]
    rated = [{at.contestant: at.rating.value for at in table.standings} for table in record.overall.tables]
    assert rated == [{"ours-a": 1529.225607, "bm25": 1470.774393}, {"bm25": 1529.225607, "ours-b": 1470.774393}]
    (first, *_) = record.overall.tables[0].standings
    assert first.win_rate_tie_half
    assert first.win_rate_tie_half.value == 0.583333


def test_published_figures_and_load_samples_are_read() -> None:
    """As they were imported, and as locust left them."""
    record = published.load(KEPT / "results")
    assert record
    assert record.sources == published.shipped()
    header, sent = load_samples.read(KEPT / "results" / "load" / "samples.jsonl")
    assert header.provenance.server
    assert len(sent) == 12
    assert "own, 3 documents" in load_samples.table(sent)


def test_the_report_is_built_of_it(tmp_path: Path) -> None:
    """With every contestant, both profiles and the arena."""
    done = rerank_bench("report", "--results", KEPT / "results", "--out", tmp_path / "site")
    assert done.exit_code == 0, done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {f"contestants/{name}.html" for name in (*CONTESTANTS, "one", "two")} <= pages
    assert "1593" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")  # the oracle's rating
