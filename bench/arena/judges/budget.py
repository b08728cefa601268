"""The budget of a judge that costs money: what was spent, what is under way, and whether one more request may go.

It promises that neither cap is passed: before a request its worst case is set aside, a token for every byte of the
prompt (no byte-level tokenizer makes more) and the longest reply allowed. A request costs that until more is known, so
one whose outcome stays unknown (no answer in time, a lost connection, a judging that was stopped) costs it for good.
What was spent at earlier calls of the same command counts; what a killed process had under way is known to nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MILLION = 1_000_000.0


class BudgetEnds(Exception):
    """One more request could pass a cap."""


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens; None where a price was not given, which counts as nothing."""

    prompt_usd_per_m: float | None = None
    completion_usd_per_m: float | None = None

    @property
    def whole(self) -> bool:
        """Whether both were given, 0 included: only then can a cap in USD be kept."""
        return self.prompt_usd_per_m is not None and self.completion_usd_per_m is not None

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        prompt_usd, completion_usd = self.prompt_usd_per_m or 0.0, self.completion_usd_per_m or 0.0
        return (prompt_tokens * prompt_usd + completion_tokens * completion_usd) / MILLION


UNPRICED = Prices()
"""A model on one's own machine, or one whose price was not given."""


@dataclass
class Budget:
    """The caps, None where there is none, and what they leave."""

    max_usd: float | None
    max_calls: int | None
    spent_usd: float = 0.0
    calls: int = 0
    """Made or under way."""
    set_aside_usd: float = 0.0

    def take(self, worst_usd: float) -> bool:
        """Set a call's worst case aside; False where a cap could be passed."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            return False
        if self.max_usd is not None and self.spent_usd + self.set_aside_usd + worst_usd > self.max_usd:
            return False
        self.calls += 1
        self.set_aside_usd += worst_usd
        return True

    def settle(self, worst_usd: float, usd: float, calls: int = 1) -> None:
        """Put the true price in place of what was set aside; `calls` is 0 where none was made."""
        self.set_aside_usd -= worst_usd
        self.spent_usd += usd
        self.calls -= 1 - calls


@dataclass
class Charge:
    """What one request costs: its worst case, until one of these says more."""

    prices: Prices
    usd: float
    calls: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def unsent(self) -> None:
        """There was no connection to send it over."""
        self.calls, self.usd = 0, 0.0

    def refused(self) -> None:
        """It was turned away, which is free."""
        self.usd = 0.0

    def answered(self, prompt_tokens: int, completion_tokens: int) -> None:
        """It was answered, at so many tokens."""
        self.prompt_tokens, self.completion_tokens = prompt_tokens, completion_tokens
        self.usd = self.prices.usd(prompt_tokens, completion_tokens)


@dataclass
class Bill:
    """What a presentation comes to, request by request."""

    budget: Budget
    prices: Prices
    worst_usd: float
    """Of one request."""
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @contextmanager
    def request(self) -> Iterator[Charge]:
        """Around one request, which is on the bill however the block ends; BudgetEnds where it may not go."""
        if not self.budget.take(self.worst_usd):
            raise BudgetEnds
        charge = Charge(self.prices, self.worst_usd)
        try:
            yield charge
        finally:
            self.budget.settle(self.worst_usd, charge.usd, charge.calls)
            self.calls += charge.calls
            self.prompt_tokens += charge.prompt_tokens
            self.completion_tokens += charge.completion_tokens
            self.usd += charge.usd
