"""The human judge: a local web page that shows two lists without names and takes the vote.

Which list is on the left is pseudo-random and the same at every visit. A vote is saved before the next match is shown;
a later vote on the same match replaces the earlier one, so that a mistake can be corrected. Judging ends with the
page's Finish button or Ctrl-C, and running the same command again resumes it.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import click

from bench.arena.entrants import Entrants
from bench.arena.judges.judge import Reading, other, sha256
from bench.arena.judges.page import PageServer
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, Presentation, shown_first
from bench.arena.records import JudgeNote, Side, Verdict
from bench.errors import BenchError
from bench.wording import counted


class HumanJudge:
    """A judge that asks a person through a web page."""

    def __init__(self, entrants: Mapping[str, Entrants], name: str, top: int, characters: int, port: int) -> None:
        """Create the judge; `name` distinguishes voters, and `port` 0 picks a free port."""
        self._name = name
        self.top = top
        self._characters = characters
        self._reading = Reading(entrants, top, characters)
        self._port = port

    @property
    def note(self) -> JudgeNote:
        """The judge and its rule."""
        return JudgeNote(
            self._name,
            "human",
            f"a person reads the first {self.top} passages of both lists, each cut to "
            f"{counted(self._characters, 'character')}, "
            "side by side in random order and without names",
            {"top": self.top, "characters": self._characters},
        )

    def presentations(self, match: Match) -> Sequence[Presentation]:
        """Return one presentation, in a pseudo-random order."""
        return [Presentation(match, shown_first(match), sha256(self._reading.sheet(match, "a")))]

    def judge(self, matches: Sequence[Match], ledger: BallotLedger) -> None:
        """Serve the page until the voter finishes."""
        voting = Voting(self, self._reading, matches, ledger)
        if voting.next_number() is None:
            return
        try:
            server = PageServer(("127.0.0.1", self._port), voting)
        except OSError as error:
            raise BenchError(f"the page cannot be served on port {self._port}: {error.strerror}") from error
        with server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            click.echo(f"vote at {server.url} (end with Ctrl-C or the page's Finish button)", err=True)
            try:
                with contextlib.suppress(KeyboardInterrupt):
                    voting.finished.wait()
            finally:
                server.shutdown()
                thread.join()
        if voting.failure:
            raise voting.failure


class Voting:
    """The matches of one visit and their votes, as the page's server reads and writes them. Thread-safe."""

    def __init__(self, judge: HumanJudge, reading: Reading, matches: Sequence[Match], ledger: BallotLedger) -> None:
        self._presentations = [judge.presentations(match)[0] for match in matches]
        self._reading = reading
        self._ledger = ledger
        self._lock = threading.Lock()
        self.finished = threading.Event()
        self.failure: BenchError | None = None

    def next_number(self) -> int | None:
        """Return the number of the first match without a vote, from 0; None if all have one."""
        for number, presentation in enumerate(self._presentations):
            if self._ledger.get(presentation.key) is None:
                return number
        return None

    def show(self, number: int | None) -> dict[str, Any]:
        """Return what the page shows of a match, or of the next one, without contestants' names."""
        with self._lock:
            number = self.next_number() if number is None else number
            voted = sum(self._ledger.get(presentation.key) is not None for presentation in self._presentations)
            progress: dict[str, Any] = {"matches": len(self._presentations), "voted": voted, "number": number}
            if number is None:
                return progress
            presentation = self._presentations[number]
            sheet = self._reading.sheet(presentation.match, presentation.first)
            ballot = self._ledger.get(presentation.key)
            return progress | {
                "query": sheet.query,
                "A": sheet.first,
                "B": sheet.second,
                "vote": _vote(ballot.verdict, presentation.first) if ballot else None,
            }

    def vote(self, number: int, vote: str) -> None:
        """Record A (shown first), B, tie or skip."""
        presentation = self._presentations[number]
        first = presentation.first
        verdicts: dict[str, Verdict] = {"A": first, "B": other(first), "tie": "tie", "skip": "skip"}
        with self._lock:
            try:
                self._ledger.append(presentation.ballot(verdicts[vote]))
            except BenchError as error:
                self.failure = error
                self.finished.set()
                raise

    def holds(self, number: Any) -> bool:
        """Tell whether there is a match with this number."""
        return type(number) is int and 0 <= number < len(self._presentations)


def _vote(verdict: str | None, first: Side) -> str | None:
    if verdict in ("a", "b"):
        return "A" if verdict == first else "B"
    return verdict
