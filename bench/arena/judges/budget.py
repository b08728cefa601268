"""The budget of a judge that costs money: what was spent, what is under way, and whether one more call may go.

It promises that neither cap is passed: before a call its worst case is set aside, a token for every byte of the
prompt (no byte-level tokenizer makes more) and the longest reply allowed. What was spent at earlier calls of the same
command counts.
"""

from dataclasses import dataclass

MILLION = 1_000_000.0


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
        read, written = self.prompt_usd_per_m or 0.0, self.completion_usd_per_m or 0.0
        return (prompt_tokens * read + completion_tokens * written) / MILLION


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

    def settle(self, worst_usd: float, usd: float) -> None:
        """Put the true price in place of what was set aside."""
        self.set_aside_usd -= worst_usd
        self.spent_usd += usd
