"""`rerank-bench arena`: contestants against each other, judged query by query, and rated."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from bench import provenance
from bench.arena import tournament
from bench.arena.entrants import Entrants, read_entrants
from bench.arena.judges.budget import Prices
from bench.arena.judges.chat import vendor_key
from bench.arena.judges.human import HumanJudge
from bench.arena.judges.judge import Judge
from bench.arena.judges.llm import LlmJudge, LlmSettings
from bench.arena.judges.qrels import QrelsJudge
from bench.arena.ledger import BallotLedger, read_ballots
from bench.arena.matches import Match, all_matches
from bench.arena.records import Ballot, JudgeNote
from bench.arena.tables import arena_table
from bench.commands.flags import RESULTS
from bench.contestants.contestant import file_name
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.published import published
from bench.records import DatasetNote
from bench.settings import Settings
from bench.storage import write_json


@dataclass(frozen=True)
class JudgeFlags:
    """The flags that choose the judge."""

    kind: str
    url: str | None
    model: str | None
    fields: dict[str, Any]
    prices: Prices
    max_usd: float | None
    max_calls: int | None
    concurrency: int
    timeout_s: float
    top: int
    characters: int
    voter: str | None
    port: int


class _JudgeOfRecord(msgspec.Struct):
    """The one field of a record that is read before it is replaced."""

    judge: JudgeNote


def judge_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that only some judges read."""
    flags = [
        click.option("--judge-url", help="llm: base URL of the chat endpoint, such as https://host/v1."),
        click.option("--judge-model", help="llm: the model's name there."),
        click.option("--judge-fields", default="{}", help="llm: further request fields as JSON; null removes one."),
        click.option("--usd-per-m-in", type=click.FloatRange(min=0), help="llm: price of 1M tokens read."),
        click.option("--usd-per-m-out", type=click.FloatRange(min=0), help="llm: of 1M tokens written."),
        click.option("--budget-usd", type=click.FloatRange(min=0), help="llm: never spend more, repeats included."),
        click.option("--budget-calls", type=click.IntRange(min=0), help="llm: never send more requests, as above."),
        click.option("--concurrency", type=click.IntRange(min=1), default=4, help="llm: questions at a time."),
        click.option(
            "--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=120.0, help="llm: seconds."
        ),
        click.option("--top", type=click.IntRange(min=1), default=10, help="llm, human: passages shown of a list."),
        click.option(
            "--characters", type=click.IntRange(min=1), default=500, help="llm, human: length at which texts are cut."
        ),
        click.option("--voter", help="human: who votes, where there are several."),
        click.option("--port", type=click.IntRange(0, 65535), default=0, help="human: of the page; 0 is a free one."),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@click.command("arena")
@RESULTS
@click.option("--judge", "kind", type=click.Choice(["qrels", "llm", "human"]), default="qrels", help="Who judges.")
@click.option("--data", multiple=True, help="Folder of a dataset; others are looked for by name under RERANK_DATA.")
@click.option("--dataset", "only_datasets", multiple=True, help="Only this dataset; may be repeated.")
@click.option("--contestant", "only_contestants", multiple=True, help="Only this contestant; may be repeated.")
@click.option("--matches", type=click.IntRange(min=1), help="Only so many matches, drawn by --seed.")
@click.option("--seed", type=int, default=0, help="Of the draw, the matches' order and the bootstrap.")
@judge_flags
def arena_command(
    results: Path,
    kind: str,
    data: tuple[str, ...],
    only_datasets: tuple[str, ...],
    only_contestants: tuple[str, ...],
    matches: int | None,
    seed: int,
    judge_url: str | None,
    judge_model: str | None,
    judge_fields: str,
    usd_per_m_in: float | None,
    usd_per_m_out: float | None,
    budget_usd: float | None,
    budget_calls: int | None,
    concurrency: int,
    timeout_s: float,
    top: int,
    characters: int,
    voter: str | None,
    port: int,
) -> None:
    """Ratings, win rates and the pairwise matrix from match after match.

    All pairs of contestants that ranked a dataset meet over every query. `qrels` judges by nDCG@10 and needs no
    network; `llm` asks a chat model in both orders, with the key in JUDGE_API_KEY (OPENAI_API_KEY goes to
    api.openai.com alone); `human` opens a page that shows two lists without names. Ballots are kept as they come: the
    same command goes on where it was stopped, and asks nothing twice.
    """
    settings = Settings.from_environment()
    entrants = read_entrants(results, _loader(data, settings.data_root), only_datasets, only_contestants)
    flags = JudgeFlags(
        kind, judge_url, judge_model, _fields(judge_fields), Prices(usd_per_m_in, usd_per_m_out), budget_usd,
        budget_calls, concurrency, timeout_s, top, characters, voter, port,
    )  # fmt: skip
    judge = _judge(flags, entrants, settings)
    possible = all_matches(entrants, seed)
    drawn = possible[:matches]
    draw = {"matches": matches, "seed": seed, "datasets": list(entrants), "contestants": list(only_contestants)}
    gathered = provenance.gather(judge_url or "", None, draw | judge.note.settings)
    file = results / "arena" / f"{file_name(judge.note.name)}.jsonl"
    _check_same_judge(file.with_suffix(".json"), judge)
    with BallotLedger(file) as ledger:
        stopped = _play(judge, drawn, ledger)
        tallied = tournament.tally(judge, drawn, ledger)
    others = _others(file)
    if tallied.outcomes or not stopped:
        record = tournament.record(gathered, judge, entrants, drawn, len(possible), tallied, others, seed)
        write_json(record, file.with_suffix(".json"))
        click.echo(arena_table(record, published.load(results)))
        click.echo(f"record: {file.with_suffix('.json')}", err=True)
    if stopped:
        raise stopped


def _loader(data: tuple[str, ...], root: Path | None) -> Callable[[DatasetNote], Dataset]:
    folders = {folder.resolve().name: folder for folder in (datasets.find(each, root) for each in data)}

    def load(note: DatasetNote) -> Dataset:
        return datasets.load(folders.get(note.name) or datasets.find(note.name, root), note.split)

    return load


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BenchError(f"--judge-fields {text!r} is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BenchError(f"--judge-fields must be a JSON object, not {text!r}")
    return fields


def _judge(flags: JudgeFlags, entrants: dict[str, Entrants], settings: Settings) -> Judge:
    if flags.kind == "qrels":
        return QrelsJudge(entrants)
    if flags.kind == "human":
        name = f"human-{flags.voter}" if flags.voter else "human"
        return HumanJudge(entrants, name, flags.top, flags.characters, flags.port)
    if not flags.url or not flags.model:
        raise BenchError("the llm judge needs --judge-url and --judge-model")
    return LlmJudge(
        entrants,
        LlmSettings(
            url=flags.url,
            model=flags.model,
            key=vendor_key(flags.url, settings),
            top=flags.top,
            characters=flags.characters,
            fields=flags.fields,
            prices=flags.prices,
            max_usd=flags.max_usd,
            max_calls=flags.max_calls,
            concurrency=flags.concurrency,
            timeout_s=flags.timeout_s,
        ),
    )


def _play(judge: Judge, matches: list[Match], ledger: BallotLedger) -> BenchError | None:
    """Judge; what stopped it, where something did: the ballots until then are rated all the same."""
    if isinstance(judge, LlmJudge):
        forecast = judge.forecast([match for match in matches if match.by_rule(judge.top) is None], ledger)
        click.echo(f"{forecast.sentence()}; spent before: ${sum(each.cost_usd for each in ledger):.4f}", err=True)
    try:
        tournament.play(judge, matches, ledger)
    except BenchError as error:
        return error
    if isinstance(judge, LlmJudge) and judge.unanswered:
        return BenchError(
            f"{judge.unanswered} presentations got no answer from the judge; the same command asks for them again"
        )
    return None


def _others(file: Path) -> dict[str, list[Ballot]]:
    """The other judges' ballots by their file's name."""
    return {other.stem: read_ballots(other) for other in sorted(file.parent.glob("*.jsonl")) if other != file}


def _check_same_judge(file: Path, judge: Judge) -> None:
    """BenchError where the file holds another judge's record; one that cannot be read is made again."""
    try:
        name = msgspec.json.decode(file.read_bytes(), type=_JudgeOfRecord).judge.name
    except (OSError, msgspec.MsgspecError):
        return
    if name != judge.note.name:
        raise BenchError(
            f"{file} is of the judge {name}, whose file name is that of {judge.note.name} too: give another --results "
            "folder"
        )
