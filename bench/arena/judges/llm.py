"""The LLM judge: a chat model reads both lists, in both orders, and names the better one.

Every match is presented twice, with each contestant first once; contradictory answers make a tie. An unreadable answer
is requested once more and then recorded as a permanent failure. A presentation that the endpoint did not answer, or
that the budget did not allow, is recorded with its cost, and running the same command again retries it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tqdm import tqdm

from bench.arena.entrants import Entrants
from bench.arena.judges import question
from bench.arena.judges.budget import UNPRICED, Bill, Budget, BudgetEnds, Prices
from bench.arena.judges.chat import Chat, EndpointAway
from bench.arena.judges.judge import Reading, Sheet, missing, sha256
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, Presentation
from bench.arena.records import JudgeNote, Side
from bench.errors import BenchError
from bench.wording import counted

TRIES = 2
"""Number of attempts before an unreadable answer is a failure."""
MOST_UNANSWERED = 5
"""After this many presentations in a row without an answer, the endpoint counts as down."""
ANSWER_TOKENS = 10
"""Tokens of `{"better": "A"}`, for the forecast."""


@dataclass(frozen=True)
class LlmSettings:
    """The model, what it is shown, and what it may cost."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    top: int = 10
    characters: int = 500
    """Maximum length of a passage or query; longer ones are truncated."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Additional request fields; None removes a default field."""
    prices: Prices = UNPRICED
    max_usd: float | None = None
    max_calls: int | None = None
    concurrency: int = 4
    retries: int = 6
    timeout_s: float = 120.0


@dataclass(frozen=True)
class Forecast:
    """An estimate of the cost of the missing presentations, at four bytes per token as in English."""

    presentations: int
    prompt_tokens: int
    usd: float

    def sentence(self) -> str:
        """Return the line that the user sees before anything is spent."""
        tokens = f"about {counted(self.prompt_tokens, 'input token')}, about ${self.usd:.4f}"
        return f"to judge: {counted(self.presentations, 'presentation')}, {tokens}"


class LlmJudge:
    """A judge that asks a chat model."""

    def __init__(self, entrants: Mapping[str, Entrants], settings: LlmSettings) -> None:
        """Create the judge; BenchError if a budget in US dollars is given but cannot be enforced."""
        self._settings = settings
        self._reading = Reading(entrants, settings.top, settings.characters)
        # All that is sent but the sheet: another model, instruction or field makes another presentation. The address
        # does not: a model that moved to another port or behind a gateway is the same judge and is not paid for twice.
        self._request_sha256 = sha256(sorted(self._body(Sheet("", [], [])).items()))
        self.unanswered = 0
        """Presentations that the endpoint did not answer in this run."""
        self._unanswered_in_a_row = 0
        self.budget = Budget(settings.max_usd, settings.max_calls)
        limit = question.reply_limit(self._body(Sheet("", [], [])))
        if settings.max_usd is not None and (limit is None or not settings.prices.whole):
            raise BenchError(
                "--budget-usd needs --usd-per-m-in and --usd-per-m-out, and a limit on the reply's tokens in the "
                "request (max_tokens or max_completion_tokens)"
            )

    @property
    def top(self) -> int:
        """The number of documents of a list that it considers."""
        return self._settings.top

    @property
    def note(self) -> JudgeNote:
        """The judge and its rule."""
        settings = self._settings
        return JudgeNote(
            f"llm-{settings.model}",
            "llm",
            f"{settings.model} reads the first {settings.top} passages of both lists, each cut to "
            f"{counted(settings.characters, 'character')}, in both orders; unless it names the same list twice, it "
            f"is a tie",
            {
                "model": settings.model,
                "url": settings.url,
                "top": settings.top,
                "characters": settings.characters,
                "fields": dict(settings.fields),
                "instruction": question.INSTRUCTION,
            },
        )

    def presentations(self, match: Match) -> Sequence[Presentation]:
        """Return two presentations, with each contestant first once."""
        sides: tuple[Side, Side] = ("a", "b")
        sheets = {first: self._reading.sheet(match, first) for first in sides}
        return [Presentation(match, first, sha256(self._request_sha256, sheet)) for first, sheet in sheets.items()]

    def forecast(self, matches: Sequence[Match], ledger: BallotLedger) -> Forecast:
        """Estimate the cost of judging the matches."""
        presentations = missing(self, matches, ledger)
        prompts = (self._request(presentation)["messages"] for presentation in presentations)
        tokens = sum(len(msgspec.json.encode(prompt)) for prompt in prompts) // 4
        usd = self._settings.prices.usd(tokens, ANSWER_TOKENS * len(presentations))
        return Forecast(len(presentations), tokens, usd)

    def judge(self, matches: Sequence[Match], ledger: BallotLedger) -> None:
        """Request the missing ballots until all are there, the budget is used up, or the endpoint is down."""
        for ballot in ledger:
            self.budget.spent_usd += ballot.cost_usd
            self.budget.calls += ballot.calls
        presentations = missing(self, matches, ledger)
        with tqdm(total=len(presentations), desc=self.note.name, unit="presentation", disable=None) as bar:
            asyncio.run(self._ask_all(presentations, ledger, bar))

    async def _ask_all(self, presentations: Sequence[Presentation], ledger: BallotLedger, bar: Any) -> None:
        settings, shared = self._settings, iter(presentations)
        async with Chat(
            settings.url,
            settings.key,
            timeout_s=settings.timeout_s,
            retries=settings.retries,
            connections=settings.concurrency,
        ) as chat:
            workers = [asyncio.create_task(self._work(chat, shared, ledger, bar)) for _ in range(settings.concurrency)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, chat: Chat, shared: Iterator[Presentation], ledger: BallotLedger, bar: Any) -> None:
        """Work until nothing is left or the budget is used up; EndpointAway after too many failures in a row."""
        for presentation in shared:
            try:
                await self._ask(chat, presentation, ledger)
            except BudgetEnds:
                return
            except EndpointAway:
                self.unanswered += 1
                self._unanswered_in_a_row += 1
                if self._unanswered_in_a_row >= MOST_UNANSWERED:
                    raise
                continue
            self._unanswered_in_a_row = 0
            bar.update()
            bar.set_postfix(usd=f"{self.budget.spent_usd:.4f}", refresh=False)

    async def _ask(self, chat: Chat, presentation: Presentation, ledger: BallotLedger) -> None:
        """Ask until there is a verdict or a failure; the requests are recorded however this ends."""
        body = self._request(presentation)
        before = ledger.get(presentation.key) or presentation.ballot(None)
        spent = before.calls, before.prompt_tokens, before.completion_tokens, before.cost_usd
        bill = Bill(self.budget, self._settings.prices, self._worst_usd(body), *spent)
        verdict, error, unfinished = None, None, True
        try:
            for _ in range(TRIES):
                reply = await chat.ask(body, bill)
                verdict = question.read_verdict(reply.content or "", presentation.first)
                error = None if verdict else reply.error or "the answer does not name A, B or tie"
                if verdict:
                    break
            unfinished = False
        finally:
            if bill.calls > before.calls:
                ledger.append(
                    presentation.ballot(
                        verdict,
                        sheet=self.presentations(presentation.match)[0].shown,
                        calls=bill.calls,
                        prompt_tokens=bill.prompt_tokens,
                        completion_tokens=bill.completion_tokens,
                        cost_usd=bill.usd,
                        error=error,
                        unfinished=unfinished,
                    )
                )

    def _request(self, presentation: Presentation) -> dict[str, Any]:
        return self._body(self._reading.sheet(presentation.match, presentation.first))

    def _body(self, sheet: Sheet) -> dict[str, Any]:
        return question.request_body(self._settings.model, sheet, self._settings.fields)

    def _worst_usd(self, body: dict[str, Any]) -> float:
        return self._settings.prices.usd(len(msgspec.json.encode(body)), question.reply_limit(body) or 0)
