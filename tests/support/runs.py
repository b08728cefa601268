"""`rerank-bench run` as typed, and what it leaves behind."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from bench import records
from bench.accuracy import rankings
from bench.cli import main
from bench.records import AccuracyRecord
from tests.support.fake_reranker import FakeReranker

ROOT = Path(__file__).parents[2]
WriteBeir = Callable[..., Path]


def bench_run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["run", *arguments], env=environment)


def record_of(results: Path, contestant: str, dataset: str = "sample") -> AccuracyRecord:
    record = records.read(results / "accuracy" / dataset / f"{contestant}.json")
    assert isinstance(record, AccuracyRecord)
    return record


def rankings_of(results: Path, contestant: str, dataset: str = "sample") -> rankings.Rankings:
    return rankings.read(results / "accuracy" / dataset / f"{contestant}.jsonl")


def sentence_of(result: Result) -> str:
    """What a run that must have failed says, without a trace."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return result.stderr[result.stderr.index("Error: ") :]


def asked(server: FakeReranker) -> list[str]:
    """The queries that the server was asked, without the check of the beginning."""
    return [request["query"] for request in server.seen if request["query"] != "What is a panda?"]


def many_queries(beir: WriteBeir, count: int) -> Path:
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
