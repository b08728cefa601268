"""The commands as a user types them, against a real local server: tables, records, exit codes, one-sentence errors."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bench import records
from bench.accuracy import rankings
from bench.cli import main
from bench.errors import DataError
from tests.support.fake_reranker import FakeReranker, Reply

TWELVE = str(Path(__file__).parents[1] / "kept" / "sample")
"""The first version of the sample: twelve passages and four queries."""


def _type(*arguments: str, command: click.Command = main) -> Result:
    return CliRunner().invoke(command, arguments)


def _one_sentence(result: Result) -> str:
    """The error of a run that must have failed with one line and no trace."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len([line for line in lines if line.startswith("Error: ")]) == 1
    return lines[-1]


def _accuracy(results: Path) -> records.AccuracyRecord:
    """The record of `--url` on the sample."""
    record = records.read(results / "accuracy" / "sample" / "rerank.json")
    assert isinstance(record, records.AccuracyRecord)
    return record


def test_run_measures_and_records(reranker: FakeReranker, tmp_path: Path) -> None:
    """Twelve passages, scored perfectly by the server: nDCG@10 is 1, BM25 beside, and the record holds it all."""
    best = {"green tea": "75 degrees", "puncture": "glue a patch", "tides": "moon pulls", "sourdough": "Feed"}

    def score(query: str, document: str) -> float:
        grade_two = any(topic in query and answer in document for topic, answer in best.items())
        return 1.0 if grade_two else 0.5 if document.startswith(("Tyre pressure", "Spring")) else 0.0

    reranker.score = score
    folder = tmp_path / "new folder"
    result = _type("run", "--url", reranker.url, "--data", TWELVE, "--depth", "10", "--results", str(folder))
    assert result.exit_code == 0, result.stderr
    assert "nDCG@10" in result.stdout
    assert "rerank: model_id fake, device cpu, at http://127.0.0.1:" in result.stdout
    assert "  BM25  " in result.stdout
    record = _accuracy(folder)
    assert record.measures["nDCG@10"].value == pytest.approx(1.0)
    assert record.first_stage["nDCG@10"].value < 1
    assert record.per_query["nDCG@10"].keys() == {"q1", "q2", "q3", "q4"}
    raw = rankings.read(folder / "accuracy" / "sample" / "rerank.jsonl").rankings
    assert raw.keys() == {"q1", "q2", "q3", "q4"}
    assert raw["q1"].document_ids[0] == "tea-1"
    assert raw["q1"].sample is not None
    assert raw["q1"].sample.server_timing_ms["inference"] == 300.1
    assert record.tokens == sum(7 * len(ranking.scores) for ranking in raw.values())
    assert record.provenance.server == {"model_id": "fake", "device": "cpu"}
    assert record.provenance.settings["concurrency"] == 2
    assert record.provenance.versions["ir-measures"]


def test_failed_query_counts_zero_and_is_reported(reranker: FakeReranker, tmp_path: Path) -> None:
    """One query of fourteen fails: recorded with its reason, 0 in every measure, said in the table, exit code 1."""
    reranker.replies = [None, Reply(422, {"message": "broken"})]
    result = _type("run", "--url", reranker.url, "--data", "sample", "--concurrency", "1", "--results", str(tmp_path))
    assert "1 of 14 queries failed" in _one_sentence(result)
    assert "1 time: status 422: broken" in result.stdout
    record = _accuracy(tmp_path)
    assert [failure.query_id for failure in record.failures] == ["q1"]
    assert len(rankings.read(tmp_path / "accuracy" / "sample" / "rerank.jsonl").rankings) == 13
    assert all(of["q1"] == 0 for of in record.per_query.values())


def test_limit_draws_the_same_queries_for_the_same_seed(reranker: FakeReranker, tmp_path: Path) -> None:
    """--limit measures a seeded draw, for the reranker and for the first stage alike."""
    drawn = []
    for seed in ("1", "1", "2"):
        flags = ["--limit", "2", "--seed", seed, "--results", str(tmp_path)]
        assert _type("run", "--url", reranker.url, "--data", "sample", *flags).exit_code == 0
        record = _accuracy(tmp_path)
        assert record.per_query["nDCG@10"].keys() == record.first_stage_per_query["nDCG@10"].keys()
        drawn.append(list(record.per_query["nDCG@10"]))
    assert len(drawn[0]) == 2
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.usefixtures("in_tmp_path")
@pytest.mark.parametrize("command", ["run", "latency"])
def test_unusable_server_is_one_sentence(reranker: FakeReranker, no_one_there: str, command: str) -> None:
    """Nobody there, and a wrong path: what is wrong and what to do, no trace."""
    assert "start one with `rerank serve`" in _one_sentence(_type(command, "--url", no_one_there, "--data", "sample"))
    wrong = _type(command, "--url", f"{reranker.url}/v1", "--data", "sample")
    assert "status 404: no such path /v1/v1/rerank" in _one_sentence(wrong)


@pytest.mark.parametrize("command", ["run", "latency"])
def test_bad_dataset_is_one_sentence(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name and a damaged file: what was looked for, or file and line; the server is not asked."""
    monkeypatch.setenv("RERANK_DATA", str(tmp_path))
    assert "no dataset 'nosuch'" in _one_sentence(_type(command, "--data", "nosuch"))
    (tmp_path / "bad" / "qrels").mkdir(parents=True)
    (tmp_path / "bad" / "corpus.jsonl").write_text("not json\n", encoding="utf-8")
    (tmp_path / "bad" / "queries.jsonl").write_text('{"_id": "q1", "text": "one"}\n', encoding="utf-8")
    (tmp_path / "bad" / "qrels" / "test.tsv").write_text("q1\td1\t1\n", encoding="utf-8")
    assert "corpus.jsonl line 1" in _one_sentence(_type(command, "--data", "bad"))


def test_reading_what_is_no_record_is_refused(tmp_path: Path) -> None:
    """A JSON file of another kind is a DataError with its path."""
    (tmp_path / "x.json").write_text('{"record": "arena"}', encoding="utf-8")
    with pytest.raises(DataError, match="is not a bench record"):
        records.read(tmp_path / "x.json")


@pytest.mark.parametrize(("command", "flag"), [("run", "--results"), ("latency", "--results")])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_measured(
    reranker: FakeReranker, command: str, flag: str
) -> None:
    """An hour's rankings must not be lost to a wrong path."""
    result = _type(command, "--url", reranker.url, "--data", "sample", flag, "/proc/no/such.json")
    assert "cannot be written" in _one_sentence(result)
    assert reranker.seen == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--data", "sample", "--timeout"],
        ["latency", "--data", "sample", "--timeout"],
        ["latency", "--data", "sample", "--rate"],
        ["compare", "a", "b", "--fail-over"],
        ["arena", "--judge", "llm", "--budget-usd"],
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_flag_for_a_number_takes_finite_numbers_only(arguments: list[str], number: str) -> None:
    """NaN is below no limit and above none: a budget or a bound that is NaN would never hold."""
    result = CliRunner().invoke(main, [*arguments, number])
    assert result.exit_code == 2
    assert f"'{arguments[-1]}': {number} is not a finite number." in result.stderr
