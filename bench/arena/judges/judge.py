"""The interface of a judge, and the sheet that judges read.

A judge describes itself, chooses the orders in which a match is presented, and judges the presentations that have no
ballot yet. The qrels judge computes its verdicts; the others read a Sheet: the query and the first passages of both
lists, truncated to a given length.
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
    """A judge."""

    @property
    def note(self) -> JudgeNote:
        """The judge and its rule."""

    @property
    def top(self) -> int:
        """The number of documents of a list that it considers."""

    def presentations(self, match: Match) -> Sequence[Presentation]:
        """Return the presentations that it needs for a verdict: one, or one in each order."""

    def judge(self, matches: Sequence[Match], ledger: BallotLedger) -> None:
        """Append the missing ballots; none of the matches is decided by rule."""


@dataclass(frozen=True)
class Sheet:
    """The text that a judge reads, without the contestants' names."""

    query: str
    first: list[str]
    second: list[str]


@dataclass(frozen=True)
class Reading:
    """How much of a match is shown: the first `top` documents, each truncated to `characters`."""

    entrants: Mapping[str, Entrants]
    top: int
    characters: int

    def sheet(self, match: Match, first: Side) -> Sheet:
        """Return the sheet with the list of `first` as the first one."""
        dataset = self.entrants[match.dataset].dataset
        lists = {side: [self._cut(dataset.documents[i]) for i in match.shown(side, self.top)] for side in ("a", "b")}
        return Sheet(self._cut(dataset.queries[match.query_id]), lists[first], lists[other(first)])

    def _cut(self, text: str) -> str:
        return text if len(text) <= self.characters else text[: self.characters] + CUT


def other(side: Side) -> Side:
    """Return the other side."""
    return "b" if side == "a" else "a"


def missing(judge: Judge, matches: Sequence[Match], ledger: BallotLedger) -> list[Presentation]:
    """Return the presentations with no ballot or an unfinished one, in the order of the matches."""
    return [
        presentation
        for match in matches
        for presentation in judge.presentations(match)
        if (ballot := ledger.get(presentation.key)) is None or ballot.unfinished
    ]


def sha256(*parts: Any) -> str:
    """Hash what a judge decides on; returns 32 hex digits."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
