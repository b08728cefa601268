"""The budget of a judge that costs money: what was spent, what is under way, and whether one more call may go.

It promises that neither cap is passed: before a call its worst case is set aside, a token for every byte of the
prompt (no byte-level tokenizer makes more) and the longest reply allowed. What was spent at earlier calls of the same
command counts.
"""

from dataclasses import dataclass

MILLION = 1_000_000.0


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens."""

    prompt_usd_per_m: float = 0.0
    completion_usd_per_m: float = 0.0

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt_usd_per_m + completion_tokens * self.completion_usd_per_m) / MILLION


FREE = Prices()
"""A model on one's own machine."""


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

    def settle(self, worst_usd: float, usd: float) -> None:
        """Put the true price in place of what was set aside."""
        self.set_aside_usd -= worst_usd
        self.spent_usd += usd
