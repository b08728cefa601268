"""What the arena asks of a judge, and what the judges that read are shown.

A judge names itself, says in which orders it wants a match presented, and judges those presentations that have no
ballot yet. The qrels judge computes, the others read a Sheet: the query and both lists' first passages, cut to a stated
length.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bench.arena.entrants import Entrants
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, Presentation
from bench.arena.records import JudgeNote, Side

CUT = "…"


class Judge(Protocol):
    """One judge of the entrants."""

    @property
    def note(self) -> JudgeNote:
        """Who judges, and on what."""

    @property
    def top(self) -> int:
        """How many documents of a list it judges by."""

    def presentations(self, match: Match) -> Sequence[Presentation]:
        """The presentations that make its verdict: one, or one in either order."""

    def judge(self, matches: Sequence[Match], ledger: BallotLedger) -> None:
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

    entrants: Mapping[str, Entrants]
    top: int
    characters: int

    def sheet(self, match: Match, first: Side) -> Sheet:
        """The sheet with `first` in the first place."""
        dataset = self.entrants[match.dataset].dataset
        lists = {side: [self._cut(dataset.documents[i]) for i in match.shown(side, self.top)] for side in ("a", "b")}
        return Sheet(self._cut(dataset.queries[match.query_id]), lists[first], lists[other(first)])

    def _cut(self, text: str) -> str:
        return text if len(text) <= self.characters else text[: self.characters] + CUT


def other(side: Side) -> Side:
    """The side that is not `side`."""
    return "b" if side == "a" else "a"


def missing(judge: Judge, matches: Sequence[Match], ledger: BallotLedger) -> list[Presentation]:
    """The presentations that have no ballot yet or an unfinished one, in the matches' order."""
    return [
        presentation
        for match in matches
        for presentation in judge.presentations(match)
        if (ballot := ledger.get(presentation.key)) is None or ballot.unfinished
    ]


def sha256(*parts: Any) -> str:
    """Hash of what a judge decides on; 32 hex digits."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
