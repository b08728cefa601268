"""The LLM judge: a chat model reads both lists and says which serves the query better, in both orders.

It shows every match twice, each contestant first once, and a model that contradicts itself has said tie. An answer
that cannot be read is asked for once more and then recorded as a failure, which stays one. A look that the endpoint did
not answer, or that the budget cut short, is on file with what it cost, and the same command asks again.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tqdm import tqdm

from bench.arena.entrants import Arena
from bench.arena.judges import question
from bench.arena.judges.budget import UNPRICED, Bill, Budget, BudgetEnds, Prices
from bench.arena.judges.chat import Chat, EndpointAway
from bench.arena.judges.judge import Reading, Sheet, ballot, missing, sha256
from bench.arena.ledger import Ledger
from bench.arena.matches import Match
from bench.arena.records import JudgeNote, Side
from bench.errors import BenchError

TRIES = 2
"""Questions until an answer that cannot be read is a failure."""
AWAY = 5
"""Looks without an answer, one after the other, after which the endpoint is taken to be down."""
ANSWER_TOKENS = 10
"""Of `{"better": "A"}`, for the forecast."""
Presentation = tuple[Match, Side, str]


@dataclass(frozen=True)
class LlmSettings:
    """What the judge may be told."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    top: int = 10
    characters: int = 500
    """Of a passage or a query; what is longer is cut."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request; None takes one of ours away."""
    prices: Prices = UNPRICED
    max_usd: float | None = None
    max_calls: int | None = None
    concurrency: int = 4
    retries: int = 6
    timeout_s: float = 120.0


@dataclass(frozen=True)
class Forecast:
    """What the missing looks will come to, about: four bytes a token, as English has."""

    looks: int
    prompt_tokens: int
    usd: float

    def sentence(self) -> str:
        """For the user, before anything is spent."""
        return f"to judge: {self.looks} looks, about {self.prompt_tokens} tokens to read, about ${self.usd:.4f}"


class LlmJudge:
    """Judges by a model."""

    def __init__(self, arenas: Mapping[str, Arena], settings: LlmSettings) -> None:
        """BenchError where a budget in USD is given that could not be kept."""
        self._settings = settings
        self._reading = Reading(arenas, settings.top, settings.characters)
        # All that is sent but the sheet: another model, instruction or field makes another look. Where it is sent does
        # not: a model that moved to another port or behind a gateway is the same judge and is not paid for twice.
        self._asked = sha256(sorted(self._body(Sheet("", [], [])).items()))
        self.away = 0
        """Looks that the endpoint did not answer at this call."""
        self._away_in_a_row = 0
        self.budget = Budget(settings.max_usd, settings.max_calls)
        limit = question.reply_limit(self._body(Sheet("", [], [])))
        if settings.max_usd is not None and (limit is None or not settings.prices.whole):
            raise BenchError(
                "a budget in USD needs --usd-per-m-in and --usd-per-m-out, and a limit of the reply's tokens among the "
                "request's fields (max_tokens or max_completion_tokens)"
            )

    @property
    def top(self) -> int:
        """How many documents of a list it looks at."""
        return self._settings.top

    @property
    def note(self) -> JudgeNote:
        """Who judges, and on what."""
        told = self._settings
        return JudgeNote(
            f"llm-{told.model}",
            "llm",
            f"{told.model} reads the first {told.top} passages of both lists, each cut to {told.characters} "
            "characters, in both orders; where it does not name the same list twice it is a tie",
            {
                "model": told.model,
                "url": told.url,
                "top": told.top,
                "characters": told.characters,
                "fields": dict(told.fields),
                "instruction": question.INSTRUCTION,
            },
        )

    def looks(self, match: Match) -> Sequence[tuple[Side, str]]:
        """Two looks, each contestant first once."""
        sides: tuple[Side, Side] = ("a", "b")
        return [(first, sha256(self._asked, self._reading.sheet(match, first))) for first in sides]

    def forecast(self, matches: Sequence[Match], ledger: Ledger) -> Forecast:
        """What judging the matches will come to."""
        looks = missing(self, matches, ledger)
        prompts = (self._body(self._reading.sheet(match, first))["messages"] for match, first, _ in looks)
        tokens = sum(len(msgspec.json.encode(prompt)) for prompt in prompts) // 4
        return Forecast(len(looks), tokens, self._settings.prices.usd(tokens, ANSWER_TOKENS * len(looks)))

    def judge(self, matches: Sequence[Match], ledger: Ledger) -> None:
        """Ask for the missing looks until they are there, the budget ends, or the endpoint is down."""
        for seen in ledger:
            self.budget.spent_usd += seen.cost_usd
            self.budget.calls += seen.calls
        looks = missing(self, matches, ledger)
        with tqdm(total=len(looks), desc=self.note.name, unit="look", disable=None) as bar:
            asyncio.run(self._ask_all(looks, ledger, bar))

    async def _ask_all(self, looks: Sequence[Presentation], ledger: Ledger, bar: Any) -> None:
        told = self._settings
        shared = iter(looks)
        async with Chat(
            told.url, told.key, timeout_s=told.timeout_s, retries=told.retries, connections=told.concurrency
        ) as chat:
            workers = [asyncio.create_task(self._work(chat, shared, ledger, bar)) for _ in range(told.concurrency)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, chat: Chat, looks: Iterator[Presentation], ledger: Ledger, bar: Any) -> None:
        """Take looks until there are none or the budget ends; EndpointAway after too many in a row unanswered."""
        for look in looks:
            try:
                await self._look(chat, look, ledger)
            except BudgetEnds:
                return
            except EndpointAway:
                self.away += 1
                self._away_in_a_row += 1
                if self._away_in_a_row >= AWAY:
                    raise
                continue
            self._away_in_a_row = 0
            bar.update()
            bar.set_postfix(usd=f"{self.budget.spent_usd:.4f}", refresh=False)

    async def _look(self, chat: Chat, look: Presentation, ledger: Ledger) -> None:
        """Ask until there is a verdict or a failure. What was asked is on file however this ends."""
        match, first, shown = look
        body = self._body(self._reading.sheet(match, first))
        before = ledger.get((*match.key, first, shown)) or ballot(match, first, shown, None)
        spent = before.calls, before.prompt_tokens, before.completion_tokens, before.cost_usd
        bill = Bill(self.budget, self._settings.prices, self._worst_usd(body), *spent)
        verdict, error, unfinished = None, None, True
        try:
            for _ in range(TRIES):
                reply = await chat.ask(body, bill)
                verdict = question.read_verdict(reply.content or "", first)
                error = None if verdict else reply.error or "the answer names neither A nor B nor tie"
                if verdict:
                    break
            unfinished = False
        finally:
            if bill.calls > before.calls:
                ledger.append(
                    ballot(
                        match,
                        first,
                        shown,
                        verdict,
                        sheet=self.looks(match)[0][1],
                        calls=bill.calls,
                        prompt_tokens=bill.prompt_tokens,
                        completion_tokens=bill.completion_tokens,
                        cost_usd=bill.usd,
                        error=error,
                        unfinished=unfinished,
                    )
                )

    def _body(self, sheet: Sheet) -> dict[str, Any]:
        return question.request_body(self._settings.model, sheet, self._settings.fields)

    def _worst_usd(self, body: dict[str, Any]) -> float:
        return self._settings.prices.usd(len(msgspec.json.encode(body)), question.reply_limit(body) or 0)
