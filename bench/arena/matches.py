"""Matches: which contestants meet on which query, and in which order.

All pairs of contestants that ranked the same dataset meet on every query that both were given, or on a seeded sample of
these. The sample takes matches from every pair in every dataset in turn, so that a large dataset does not crowd out a
small one; a larger sample contains every smaller one with the same seed, so that earlier verdicts are reused.
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
"""A match's key, the side shown first, and the hash of what is shown."""


@dataclass(frozen=True)
class Match:
    """Two contestants on one query; a list is None if the contestant failed."""

    dataset: str
    query_id: str
    a: str
    b: str
    list_a: tuple[str, ...] | None
    list_b: tuple[str, ...] | None

    @property
    def key(self) -> MatchKey:
        """The key that identifies the match."""
        return self.dataset, self.query_id, self.a, self.b

    @property
    def rankings(self) -> str:
        """The hash of both whole rankings."""
        return rankings_sha256(self.list_a, self.list_b)

    def by_rule(self, top: int) -> Verdict | None:
        """Return the verdict if no judge of the `top` documents is needed: a failure loses, identical lists tie."""
        if self.shown("a", top) == self.shown("b", top):
            return "tie"
        if self.list_a is None or self.list_b is None:
            return "b" if self.list_a is None else "a"
        return None

    def shown(self, side: Side, top: int) -> tuple[str, ...]:
        """Return the first `top` document ids of a side."""
        return ((self.list_a if side == "a" else self.list_b) or ())[:top]


@dataclass(frozen=True)
class Presentation:
    """A match as it is shown to a judge, in one order."""

    match: Match
    first: Side
    """The side that is shown first."""
    shown: str
    """The hash of everything that the judge decides on."""

    @property
    def key(self) -> PresentationKey:
        """The key that identifies the presentation."""
        return (*self.match.key, self.first, self.shown)

    def ballot(self, verdict: Verdict | None, **more: Any) -> Ballot:
        """Return the judge's ballot on it; `more` are additional fields of the ballot."""
        return Ballot(*self.match.key, self.first, verdict, self.match.rankings, self.shown, **more)


def all_matches(entrants: Mapping[str, Entrants], seed: int) -> list[Match]:
    """Return every match of the entrants in seeded order: each round has one match per pair and dataset."""
    ranked: list[tuple[int, str, Match]] = []
    for name, of_dataset in entrants.items():
        for a, b in combinations(sorted(of_dataset.runs), 2):
            lists_a, lists_b = of_dataset.runs[a].rankings, of_dataset.runs[b].rankings
            matches = [Match(name, q, a, b, lists_a[q], lists_b[q]) for q in lists_a.keys() & lists_b.keys()]
            drawn = sorted(((draw(seed, match.key), match) for match in matches), key=lambda entry: entry[0])
            ranked += [(round_, lot, match) for round_, (lot, match) in enumerate(drawn)]
    return [match for _, _, match in sorted(ranked, key=lambda entry: entry[:2])]


def draw(seed: int, key: MatchKey) -> str:
    """Return a match's sort key: matches sorted by it are in a seeded random order."""
    return hashlib.sha256("\0".join([str(seed), *key]).encode()).hexdigest()


def shown_first(match: Match) -> Side:
    """Return the side shown first if a match is presented once: pseudo-random, and the same at every call."""
    return "a" if int(draw(0, match.key)[-1], 16) % 2 else "b"
