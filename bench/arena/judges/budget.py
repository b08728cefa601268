"""The budget of a judge that costs money: what was spent, what is reserved, and whether one more request is allowed.

Neither limit is exceeded: before each request its worst case is reserved, one token per byte of the prompt (no
byte-level tokenizer makes more) plus the longest reply allowed. A request keeps this cost until more is known, so one
with an unknown outcome (a timeout, a lost connection, an interruption) keeps it for good. Earlier runs of the same
command count; requests in flight in a killed process do not, because they are unknown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MILLION = 1_000_000.0


class BudgetEnds(Exception):
    """One more request could exceed a limit."""


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens; a price of None counts as 0."""

    prompt_usd_per_m: float | None = None
    completion_usd_per_m: float | None = None

    @property
    def whole(self) -> bool:
        """Whether both prices are given, even as 0: only then can a limit in US dollars be kept."""
        return self.prompt_usd_per_m is not None and self.completion_usd_per_m is not None

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the cost of the tokens."""
        prompt_usd, completion_usd = self.prompt_usd_per_m or 0.0, self.completion_usd_per_m or 0.0
        return (prompt_tokens * prompt_usd + completion_tokens * completion_usd) / MILLION


UNPRICED = Prices()
"""The prices of a local model, or of one whose price was not given."""


@dataclass
class Budget:
    """The limits, None for no limit, and what was spent."""

    max_usd: float | None
    max_calls: int | None
    spent_usd: float = 0.0
    calls: int = 0
    """Requests made or in flight."""
    set_aside_usd: float = 0.0

    def take(self, worst_usd: float) -> bool:
        """Reserve a request's worst case; False if a limit could be exceeded."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            return False
        if self.max_usd is not None and self.spent_usd + self.set_aside_usd + worst_usd > self.max_usd:
            return False
        self.calls += 1
        self.set_aside_usd += worst_usd
        return True

    def settle(self, worst_usd: float, usd: float, calls: int = 1) -> None:
        """Replace the reserved cost with the actual one; `calls` is 0 if no request was made."""
        self.set_aside_usd -= worst_usd
        self.spent_usd += usd
        self.calls -= 1 - calls


@dataclass
class Charge:
    """The cost of one request: its worst case until one of the methods sets the actual cost."""

    prices: Prices
    usd: float
    calls: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def unsent(self) -> None:
        """Record that the request could not be sent."""
        self.calls, self.usd = 0, 0.0

    def refused(self) -> None:
        """Record that the request was refused, which is free."""
        self.usd = 0.0

    def answered(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Record that the request was answered, with its token counts."""
        self.prompt_tokens, self.completion_tokens = prompt_tokens, completion_tokens
        self.usd = self.prices.usd(prompt_tokens, completion_tokens)


@dataclass
class Bill:
    """The cost of a presentation, request by request."""

    budget: Budget
    prices: Prices
    worst_usd: float
    """The worst-case cost of one request."""
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @contextmanager
    def request(self) -> Iterator[Charge]:
        """Charge one request, however the block ends; BudgetEnds if the request is not allowed."""
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
