"""`rerank-bench arena`: judges contestants' rankings in pairs, query by query, and computes ratings."""

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
from bench.commands.flags import RESULTS, FiniteRange
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.left_out import LeftOut
from bench.names import IsOwn, own_path, typed_name
from bench.published import published
from bench.published.published import PublishedRecord
from bench.records import DatasetNote
from bench.settings import Settings
from bench.storage import write_json
from bench.wording import counted


@dataclass(frozen=True)
class JudgeFlags:
    """The flags that choose and configure the judge."""

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
    """The one field that is read of an existing record to tell whose it is."""

    judge: JudgeNote


def judge_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that apply to some judges only."""
    flags = [
        click.option("--judge-url", help="llm: base URL of the chat endpoint, such as https://host/v1."),
        click.option("--judge-model", help="llm: model name."),
        click.option(
            "--judge-fields", default="{}", help="llm: additional request fields as JSON; null removes a default field."
        ),
        click.option("--usd-per-m-in", type=FiniteRange(min=0), help="llm: US dollars per million input tokens."),
        click.option("--usd-per-m-out", type=FiniteRange(min=0), help="llm: US dollars per million output tokens."),
        click.option(
            "--budget-usd",
            type=FiniteRange(min=0),
            help="llm: spending limit in US dollars, earlier runs included.",
        ),
        click.option(
            "--budget-calls", type=click.IntRange(min=0), help="llm: maximum number of requests, earlier runs included."
        ),
        click.option(
            "--concurrency", type=click.IntRange(min=1), default=4, help="llm: number of concurrent requests."
        ),
        click.option(
            "--timeout",
            "timeout_s",
            type=FiniteRange(min=0, min_open=True),
            default=120.0,
            help="llm: request timeout in seconds.",
        ),
        click.option(
            "--top", type=click.IntRange(min=1), default=10, help="llm, human: number of passages shown of each list."
        ),
        click.option(
            "--characters",
            type=click.IntRange(min=1),
            default=500,
            help="llm, human: maximum characters shown of each text.",
        ),
        click.option("--voter", help="human: name of the voter, to keep the votes of several people apart."),
        click.option(
            "--port", type=click.IntRange(0, 65535), default=0, help="human: port of the page; 0 picks a free one."
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@click.command("arena", short_help="Rate contestants in pairwise matches.")
@RESULTS
@click.option("--judge", "kind", type=click.Choice(["qrels", "llm", "human"]), default="qrels", help="Judge to use.")
@click.option(
    "--data",
    multiple=True,
    help="Dataset folder; may be repeated. Other datasets are found by name under RERANK_DATA.",
)
@click.option("--dataset", "only_datasets", multiple=True, help="Use only this dataset; may be repeated.")
@click.option("--contestant", "only_contestants", multiple=True, help="Use only this contestant; may be repeated.")
@click.option("--matches", type=click.IntRange(min=1), help="Judge at most this many matches, sampled with --seed.")
@click.option("--seed", type=int, default=0, help="Random seed for the sample, the match order and the bootstrap.")
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
    """Rate contestants by judging their rankings in pairs: ratings, win rates and a pairwise matrix.

    Every pair of contestants that ranked a dataset meets on every query. The `qrels` judge compares nDCG@10 and needs
    no network. The `llm` judge shows both lists to a chat model, in both orders; its API key is read from JUDGE_API_KEY
    (OPENAI_API_KEY is sent to api.openai.com only). The `human` judge opens a page that shows two lists without names.
    Every verdict is saved at once: run the same command again to resume, and nothing is judged twice. Contestants that
    never met on the same queries are rated in groups, each with a table of its own. A damaged file is named and left
    out, and the exit code is then 1.
    """
    settings = Settings.from_environment()
    left_out = LeftOut()
    load = _loader(data, settings.data_root)
    entrants = read_entrants(results, load, only_datasets, only_contestants, left_out)
    flags = JudgeFlags(
        kind, judge_url, judge_model, _fields(judge_fields), Prices(usd_per_m_in, usd_per_m_out), budget_usd,
        budget_calls, concurrency, timeout_s, top, characters, voter, port,
    )  # fmt: skip
    judge = _judge(flags, entrants, settings)
    possible = all_matches(entrants, seed)
    drawn = possible[:matches]
    draw = {"matches": matches, "seed": seed, "datasets": list(entrants), "contestants": list(only_contestants)}
    gathered = provenance.gather(judge_url or "", None, draw | judge.note.settings)
    file = own_path(results / "arena", judge.note.name, ".jsonl", _of_judge(judge.note.name))
    with BallotLedger(file) as ledger:  # locked until the record is written, which must not replace a later one
        stopped = _play(judge, drawn, ledger)
        tallied = tournament.tally(judge, drawn, ledger)
        if tallied.outcomes or not stopped:
            others = _others(file, left_out)
            record = tournament.record(
                gathered, judge, entrants, drawn, len(possible), tallied, others, seed, left_out.sentences
            )
            write_json(record, file.with_suffix(".json"))
            click.echo(arena_table(record, _published(results, left_out)))
            click.echo(f"record: {file.with_suffix('.json')}", err=True)
    if stopped:
        raise stopped
    if left_out.first:
        raise BenchError("the arena was computed without the files that are named above as left out")


def _loader(data: tuple[str, ...], root: Path | None) -> Callable[[DatasetNote], Dataset]:
    folders = {folder.resolve().name: folder for folder in (datasets.find(each, root) for each in data)}

    def load(note: DatasetNote) -> Dataset:
        return datasets.load(folders.get(note.name) or datasets.find(note.name, root), note.split)

    return load


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BenchError(f"--judge-fields {text!r} is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BenchError(f"--judge-fields must be a JSON object, not {text!r}")
    return fields


def _judge(flags: JudgeFlags, entrants: dict[str, Entrants], settings: Settings) -> Judge:
    if flags.kind == "qrels":
        return QrelsJudge(entrants)
    if flags.kind == "human":
        name = f"human-{typed_name(flags.voter)}" if flags.voter else "human"
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
    """Judge the matches; return the error that stopped it, if any: the ballots until then are rated anyway."""
    if isinstance(judge, LlmJudge):
        forecast = judge.forecast([match for match in matches if match.by_rule(judge.top) is None], ledger)
        click.echo(f"{forecast.sentence()}; already spent: ${sum(each.cost_usd for each in ledger):.4f}", err=True)
    try:
        tournament.play(judge, matches, ledger)
    except BenchError as error:
        return error
    if isinstance(judge, LlmJudge) and judge.unanswered:
        return BenchError(
            f"the judge did not answer {counted(judge.unanswered, 'presentation')}; run the same command again to "
            f"retry them"
        )
    return None


def _others(file: Path, left_out: LeftOut) -> dict[str, list[Ballot]]:
    """Return the other judges' ballots by judge; unreadable files are left out."""
    others = {}
    for other in sorted(file.parent.glob("*.jsonl")):
        if other != file:
            with left_out:
                others[_judge_of(other) or other.stem] = read_ballots(other)
    return others


def _published(results: Path, left_out: LeftOut) -> PublishedRecord | None:
    """Return the imported figures; None if there are none, or if they are left out because they are unreadable."""
    with left_out:
        return published.load(results)
    return None


def _of_judge(name: str) -> IsOwn:
    """Return a function that tells whether a file of ballots belongs to the judge."""

    def is_own(ballots: Path) -> bool | None:
        owner = _judge_of(ballots)
        return None if owner is None else owner == name

    return is_own


def _judge_of(ballots: Path) -> str | None:
    """Return the judge's name from the record beside its ballots; None if there is none or it is damaged."""
    try:
        return msgspec.json.decode(ballots.with_suffix(".json").read_bytes(), type=_JudgeOfRecord).judge.name
    except (OSError, UnicodeError, msgspec.MsgspecError):
        return None
