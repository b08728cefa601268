"""Matches: who meets whom over which query, and in which order.

All pairs of contestants that ranked the same dataset meet over every query that both were asked, or a seeded sample
of these. The sample takes from every pair in every dataset in turn, so that a large dataset does not crowd out a
small one; a larger sample holds every smaller one of the same seed, so that what was judged for it is used again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from bench.arena.entrants import Arena, rankings_sha256
from bench.arena.records import Side, Verdict

Key = tuple[str, str, str, str]
"""Dataset, query id, a, b."""


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
    def key(self) -> Key:
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


def all_matches(field: Mapping[str, Arena], seed: int) -> list[Match]:
    """Every match of the field, in the seeded order: round by round, one match of every pair in every dataset."""
    ranked: list[tuple[int, str, Match]] = []
    for name, arena in field.items():
        for a, b in combinations(sorted(arena.runs), 2):
            lists_a, lists_b = arena.runs[a].rankings, arena.runs[b].rankings
            matches = [Match(name, q, a, b, lists_a[q], lists_b[q]) for q in lists_a.keys() & lists_b.keys()]
            drawn = sorted(((draw(seed, match.key), match) for match in matches), key=lambda entry: entry[0])
            ranked += [(place, draw, match) for place, (draw, match) in enumerate(drawn)]
    return [match for _, _, match in sorted(ranked, key=lambda entry: entry[:2])]


def draw(seed: int, key: Key) -> str:
    """A match's lot: matches sorted by it are in a seeded random order."""
    return hashlib.sha256("\0".join([str(seed), *key]).encode()).hexdigest()


def shown_first(match: Match) -> Side:
    """Which side a judge of one look sees first: as good as random, and the same at every call."""
    return "a" if int(draw(0, match.key)[-1], 16) % 2 else "b"
