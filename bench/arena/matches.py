"""Matches: who meets whom over which query, and in which order.

All pairs of contestants that ranked the same dataset meet over every query that both were asked, or a seeded sample
of these. The sample takes from every pair in every dataset in turn, so that a large dataset does not crowd out a
small one; a larger sample holds every smaller one of the same seed, so that what was judged for it is used again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bench.arena.entrants import Entrants, rankings_sha256
from bench.arena.records import Ballot, Side, Verdict

MatchKey = tuple[str, str, str, str]
"""Dataset, query id, a, b."""
PresentationKey = tuple[str, str, str, str, Side, str]
"""A match's key, who is shown first, and the hash of what is shown."""


@dataclass(frozen=True)
class Match:
    """Two contestants over one query; a list is None where the contestant failed."""

    dataset: str
    query_id: str
    a: str
    b: str
    list_a: tuple[str, ...] | None
    list_b: tuple[str, ...] | None

    @property
    def key(self) -> MatchKey:
        """What makes it this match."""
        return self.dataset, self.query_id, self.a, self.b

    @property
    def rankings(self) -> str:
        """Hash of both whole rankings."""
        return rankings_sha256(self.list_a, self.list_b)

    def by_rule(self, top: int) -> Verdict | None:
        """The verdict where no judge of the `top` first documents is needed: a failure loses, the same is a tie."""
        if self.shown("a", top) == self.shown("b", top):
            return "tie"
        if self.list_a is None or self.list_b is None:
            return "b" if self.list_a is None else "a"
        return None

    def shown(self, side: Side, top: int) -> tuple[str, ...]:
        """The first `top` document ids of a side."""
        return ((self.list_a if side == "a" else self.list_b) or ())[:top]


@dataclass(frozen=True)
class Presentation:
    """A match as a judge is shown it, in one order."""

    match: Match
    first: Side
    """Which of the two is shown first."""
    shown: str
    """Hash of all that the judge decides on."""

    @property
    def key(self) -> PresentationKey:
        """What makes it this presentation."""
        return (*self.match.key, self.first, self.shown)

    def ballot(self, verdict: Verdict | None, **more: Any) -> Ballot:
        """The judge's ballot on it; `more` are further fields of the ballot."""
        return Ballot(*self.match.key, self.first, verdict, self.match.rankings, self.shown, **more)


def all_matches(entrants: Mapping[str, Entrants], seed: int) -> list[Match]:
    """Every match of the entrants, in the seeded order: round by round, one match of every pair in every dataset."""
    ranked: list[tuple[int, str, Match]] = []
    for name, of_dataset in entrants.items():
        for a, b in combinations(sorted(of_dataset.runs), 2):
            lists_a, lists_b = of_dataset.runs[a].rankings, of_dataset.runs[b].rankings
            matches = [Match(name, q, a, b, lists_a[q], lists_b[q]) for q in lists_a.keys() & lists_b.keys()]
            drawn = sorted(((draw(seed, match.key), match) for match in matches), key=lambda entry: entry[0])
            ranked += [(round_, lot, match) for round_, (lot, match) in enumerate(drawn)]
    return [match for _, _, match in sorted(ranked, key=lambda entry: entry[:2])]


def draw(seed: int, key: MatchKey) -> str:
    """A match's lot: matches sorted by it are in a seeded random order."""
    return hashlib.sha256("\0".join([str(seed), *key]).encode()).hexdigest()


def shown_first(match: Match) -> Side:
    """Which side comes first where a match is presented once: as good as random, and the same at every call."""
    return "a" if int(draw(0, match.key)[-1], 16) % 2 else "b"
