"""What the arena asks of a judge, and what the judges that read are shown.

A judge names itself, says which looks at a match it needs, and takes the looks that are missing. The qrels judge
computes, the others read a Sheet: the query and both lists' first passages, cut to a stated length.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bench.arena.entrants import Arena
from bench.arena.ledger import Ledger
from bench.arena.matches import Match
from bench.arena.records import Ballot, JudgeNote, Side, Verdict

CUT = "…"


class Judge(Protocol):
    """One judge over one field."""

    @property
    def note(self) -> JudgeNote:
        """Who judges, and on what."""

    @property
    def top(self) -> int:
        """How many documents of a list it looks at."""

    def looks(self, match: Match) -> Sequence[tuple[Side, str]]:
        """The looks that make its verdict: who is shown first, and the hash of what is shown."""

    def judge(self, matches: Sequence[Match], ledger: Ledger) -> None:
        """Append the ballots that are missing; all matches need a judge."""


@dataclass(frozen=True)
class Sheet:
    """What a reading judge is shown. The names of the contestants are not on it."""

    query: str
    first: list[str]
    second: list[str]


@dataclass(frozen=True)
class Reading:
    """How much of a match is shown: the first `top` documents, each cut to `characters`."""

    field: Mapping[str, Arena]
    top: int
    characters: int

    def sheet(self, match: Match, first: Side) -> Sheet:
        """The sheet with `first` in the first place."""
        dataset = self.field[match.dataset].dataset
        lists = {side: [self._cut(dataset.documents[i]) for i in match.shown(side, self.top)] for side in ("a", "b")}
        return Sheet(self._cut(dataset.queries[match.query_id]), lists[first], lists[other(first)])

    def _cut(self, text: str) -> str:
        return text if len(text) <= self.characters else text[: self.characters] + CUT


def other(side: Side) -> Side:
    """The side that is not `side`."""
    return "b" if side == "a" else "a"


def missing(judge: Judge, matches: Sequence[Match], ledger: Ledger) -> list[tuple[Match, Side, str]]:
    """The looks that have no ballot yet or an unfinished one, in the matches' order."""
    return [
        (match, first, shown)
        for match in matches
        for first, shown in judge.looks(match)
        if (seen := ledger.get((*match.key, first, shown))) is None or seen.unfinished
    ]


def ballot(match: Match, first: Side, shown: str, verdict: Verdict | None, **more: Any) -> Ballot:
    """A ballot of a look at a match."""
    return Ballot(*match.key, first, verdict, match.rankings, shown, **more)


def sha256(*parts: Any) -> str:
    """Hash of what a judge decides on; 32 hex digits."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
