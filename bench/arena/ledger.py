"""The ledger: a judge's ballots in an append-only file of JSON lines (`bench.storage`), read again by the next run.

Every ballot is on disk before the next one is requested, so that a kill loses at most those in progress.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from bench.arena.matches import PresentationKey
from bench.arena.records import Ballot
from bench.errors import BenchError
from bench.storage import JsonLog, read_lines


class BallotLedger:
    """The ballots of one judge. Use with `with`."""

    def __init__(self, file: Path) -> None:
        """Open, lock and read `file`, which is created if missing."""
        self.file = file
        self._log: JsonLog[Ballot] = JsonLog(
            file, if_locked=f"another arena is writing to {file}: wait for it to end, or stop it"
        ).open()
        try:
            self._ballots = {_key(ballot): ballot for ballot in read_lines(file, Ballot, "ballot")}
        except BenchError:
            self._log.close()
            raise

    def __enter__(self) -> "BallotLedger":
        """Return the ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and release the lock."""
        self._log.close()

    def __iter__(self) -> Iterator[Ballot]:
        """Iterate over all ballots in the order of their first writing, each with its last verdict."""
        return iter(list(self._ballots.values()))

    def get(self, key: PresentationKey) -> Ballot | None:
        """Return the ballot on a presentation; None if there is none."""
        return self._ballots.get(key)

    def append(self, ballot: Ballot) -> None:
        """Write one ballot."""
        self._log.append(ballot)
        self._ballots[_key(ballot)] = ballot


def read_ballots(file: Path) -> list[Ballot]:
    """Read the ballots of another judge, without a lock."""
    return list({_key(ballot): ballot for ballot in read_lines(file, Ballot, "ballot")}.values())


def _key(ballot: Ballot) -> PresentationKey:
    return ballot.dataset, ballot.query_id, ballot.a, ballot.b, ballot.first, ballot.shown
