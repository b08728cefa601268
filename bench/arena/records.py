"""The arena's files: a ballot for every presentation of a match, and the record of ratings computed from the ballots.

Ballots are the raw results, one JSON line each in the append-only `arena/<judge>.jsonl`; the ArenaRecord in
`arena/<judge>.json` can be computed from them again. A match is between two contestants, `a` before `b` by name, on one
query. Ratings and win rates have an interval over queries. `record_reader.py` reads older formats.
"""

from typing import Any, Literal

import msgspec

from bench.records import DatasetNote, Estimate, Provenance

Side = Literal["a", "b"]
Verdict = Literal["a", "b", "tie", "skip"]


class Ballot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A judge's verdict on one match, shown in one order."""

    dataset: str
    query_id: str
    a: str
    b: str
    first: Side
    """The side that was shown first (on the page: left)."""
    verdict: Verdict | None
    """The better list; None if there is no verdict, with the reason in `error`."""
    rankings: str
    """Hash of both contestants' whole rankings; ballots of two judges can be compared if it is equal."""
    shown: str
    """Hash of everything that the judge decided on. A ballot counts only while the same would still be shown."""
    sheet: str = ""
    """If a match is shown in both orders: a hash that only the two ballots of one verdict share."""
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    error: str | None = None
    unfinished: bool = False
    """The endpoint was down, the budget was used up or the judge was stopped: the cost counts, and it is retried."""


class JudgeNote(msgspec.Struct, frozen=True):
    """The judge and its rule."""

    name: str
    kind: Literal["qrels", "llm", "human"]
    rule: str
    """How the judge decides, in one sentence."""
    settings: dict[str, Any]


class Pairings(msgspec.Struct, frozen=True):
    """The numbers of matches, and the rule by which contestants were paired."""

    rule: str
    possible: int
    drawn: int
    judged: int
    by_rule: int
    """Judged matches decided without the judge: a failed query loses; two failed queries or identical lists tie."""
    skipped: int
    failed: int
    """Left out because the judge's answer was unreadable."""
    pending: int
    """The number of matches not judged yet: the budget was used up, the judge was down, or the voter stopped."""


class Standing(msgspec.Struct, frozen=True):
    """One contestant's figures."""

    contestant: str
    rating: Estimate
    """Bradley-Terry on the Elo scale, mean 1500: the rating."""
    sequential_elo: float
    """K = 32 in a seeded random order of the matches; depends on the order, so for reference only."""
    wins: int
    losses: int
    ties: int
    win_rate_tie_half: Estimate | None = None
    """Wins plus half the ties, divided by all matches; None in a record of format 1, whose ties counted as losses."""


class PairTally(msgspec.Struct, frozen=True):
    """One cell of the pairwise matrix."""

    a: str
    b: str
    wins_a: int
    wins_b: int
    ties: int


class Standings(msgspec.Struct, frozen=True):
    """The standings, best rating first, on one dataset or on all; `tables` are what may be shown as one scale each."""

    matches: int
    queries: int
    standings: list[Standing]
    """Empty if there are several groups: then `apart` has the ratings."""
    pairs: list[PairTally]
    groups: list[list[str]]
    """The contestants of each group (`groups.py`). Ratings can be compared only within a group."""
    prior_pairs: int
    """Pairs of which each side was given half a win, because otherwise a rating would be infinite."""
    resamples_with_prior: int
    """Bootstrap resamples that needed the same for any pair."""
    apart: list["Standings"] = []
    """If there are several groups: the standings of each, in the order of `groups`."""
    datasets: list[str] = []
    """The datasets of the matches."""

    @property
    def tables(self) -> list["Standings"]:
        """The standings, one per group."""
        return self.apart or [self]


class PositionBias(msgspec.Struct, frozen=True):
    """Whether being shown first helps. If every match is shown in both orders, one half means no bias."""

    first_wins: Estimate
    """Share of the decided presentations that the list shown first won."""
    decided: int
    both_orders: int
    contradictions: int
    """Matches of `both_orders` whose two ballots named different contestants: they count as a tie."""


class Agreement(msgspec.Struct, frozen=True):
    """The agreement with another judge on the same matches, without those decided by rule."""

    judge: str
    matches: int
    same: float | None
    kappa: float | None
    """Cohen's kappa over a, b and tie; None if chance alone would make them always agree."""


class Cost(msgspec.Struct, frozen=True):
    """The total cost of this record's ballots."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


class ArenaRecord(msgspec.Struct, frozen=True, tag_field="record", tag="arena"):
    """The record that `rerank-bench arena` writes for one judge."""

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
    """The reasons why answers were unreadable, with counts."""
    left_out: list[str] = []
    """Files and datasets that could not be used, one sentence each."""
    format: int = 2
