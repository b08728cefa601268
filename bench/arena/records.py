"""What the arena keeps: a ballot for every presentation of a match, and the record of ratings made from the ballots.

Ballots are the raw results, one JSON line each in `arena/<judge>.jsonl`, only ever appended; the ArenaRecord in
`arena/<judge>.json` can be made from them again. A match is of two contestants, `a` before `b` by name, over one
query. No figure stands alone: ratings and win rates carry their interval over queries.
"""

from typing import Any, Literal

import msgspec

from bench.records import DatasetNote, Estimate, Provenance

Side = Literal["a", "b"]
Verdict = Literal["a", "b", "tie", "skip"]


class Ballot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A judge's verdict on one match in one order of showing."""

    dataset: str
    query_id: str
    a: str
    b: str
    first: Side
    """Which of the two was shown first (on a page: left)."""
    verdict: Verdict | None
    """The better list; None where no verdict could be read, and `error` says why."""
    rankings: str
    """Hash of both contestants' whole rankings: ballots of two judges can be compared where it is equal."""
    shown: str
    """Hash of all that the judge decided on. A ballot counts only while this is still what would be shown."""
    sheet: str = ""
    """Where a match is shown in both orders: hash that the two ballots of one verdict share, and no others do."""
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    error: str | None = None
    unfinished: bool = False
    """The endpoint was away, the budget ended or the judge was stopped: what it cost counts, and it is asked again."""


class JudgeNote(msgspec.Struct, frozen=True):
    """Who judged, and on what."""

    name: str
    kind: Literal["qrels", "llm", "human"]
    rule: str
    """How a verdict comes about, in one sentence."""
    settings: dict[str, Any]


class Pairings(msgspec.Struct, frozen=True):
    """Who met whom."""

    rule: str
    possible: int
    drawn: int
    judged: int
    by_rule: int
    """Of the judged ones: decided without the judge. A failed query loses; two failed or two identical lists tie."""
    skipped: int
    failed: int
    """Left out because the judge's answer could not be read."""
    pending: int
    """Not judged yet: the budget ended, the judge was away, or the voter stopped."""


class Standing(msgspec.Struct, frozen=True):
    """One contestant's figures."""

    contestant: str
    rating: Estimate
    """Bradley-Terry on the Elo scale, mean 1500: the rating."""
    sequential_elo: float
    """K = 32 in a seeded random order of the matches; another order gives another figure. Beside the rating only."""
    wins: int
    losses: int
    ties: int
    win_rate: Estimate
    """Wins over all matches, ties counted as not won: the public leaderboard's definition."""


class PairTally(msgspec.Struct, frozen=True):
    """One cell of the pairwise matrix."""

    a: str
    b: str
    wins_a: int
    wins_b: int
    ties: int


class Standings(msgspec.Struct, frozen=True):
    """Who stands where, best rating first, over one dataset or over all."""

    matches: int
    queries: int
    standings: list[Standing]
    pairs: list[PairTally]
    groups: list[list[str]]
    """Contestants that met, directly or through others. With more than one group ratings compare only within it."""
    prior_pairs: int
    """Pairs that were given half a win each, because without it one side's rating would be infinite."""
    resamples_with_prior: int
    """Bootstrap resamples that needed the same for any pair."""


class PositionBias(msgspec.Struct, frozen=True):
    """Whether being shown first helps. Where every match is shown in both orders, no bias is one half."""

    first_wins: Estimate
    """Share of the decided presentations that the list shown first won."""
    decided: int
    both_orders: int
    contradictions: int
    """Matches of `both_orders` whose two ballots named different contestants: they count as a tie."""


class Agreement(msgspec.Struct, frozen=True):
    """How far another judge says the same on the same matches; those that a rule decided are left out."""

    judge: str
    matches: int
    same: float | None
    kappa: float | None
    """Cohen's kappa over a, b and tie; None where chance alone would make them agree always."""


class Cost(msgspec.Struct, frozen=True):
    """What the ballots of this record came to."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


class ArenaRecord(msgspec.Struct, frozen=True, tag_field="record", tag="arena"):
    """What `rerank-bench arena` writes for one judge."""

    provenance: Provenance
    judge: JudgeNote
    seed: int
    resamples: int
    datasets: dict[str, DatasetNote]
    candidates: dict[str, str]
    """Dataset to the sha256 of the candidates that all of its contestants ranked."""
    pairings: Pairings
    overall: Standings
    by_dataset: dict[str, Standings]
    position_bias: PositionBias | None
    agreement: list[Agreement]
    cost: Cost
    errors: dict[str, int]
    """Why answers could not be read, and how often."""
    format: int = 1
