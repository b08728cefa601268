"""The ledger: a judge's ballots in an append-only file of JSON lines, read back at the next call.

It promises that a ballot is on file before the next one is asked for, so that a kill loses at most those under
way. A last line without its end, as a kill can leave it, is cut off; any other damaged line is an error. One process
at a time writes, held by a lock that dies with it.
"""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from bench.arena.matches import PresentationKey
from bench.arena.records import Ballot
from bench.errors import BenchError, DataError


class BallotLedger:
    """The ballots of one judge. Use with `with`."""

    def __init__(self, file: Path) -> None:
        """Open, lock and read `file`, which is made where it is not there."""
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lines = file.open("a+b", buffering=0)
        except OSError as error:
            raise BenchError(f"the ballots cannot be written to {file}: {error.strerror}") from error
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._ballots = {_key(ballot): ballot for ballot in self._read()}
        except BlockingIOError:
            self._lines.close()
            raise BenchError(f"another arena is writing to {file}: wait for its end, or stop it") from None
        except BenchError:
            self._lines.close()
            raise

    def __enter__(self) -> "BallotLedger":
        """Give the ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and with it the lock."""
        self._lines.close()

    def __iter__(self) -> Iterator[Ballot]:
        """All ballots, in the order of their first writing; what was judged again stands with its last verdict."""
        return iter(list(self._ballots.values()))

    def get(self, key: PresentationKey) -> Ballot | None:
        """The ballot on a presentation."""
        return self._ballots.get(key)

    def append(self, ballot: Ballot) -> None:
        """Write one ballot."""
        line = msgspec.json.encode(ballot) + b"\n"
        try:
            written = self._lines.write(line)
        except OSError as error:
            raise BenchError(f"the ballots cannot be written to {self.file}: {error.strerror}") from error
        if written != len(line):
            raise BenchError(f"the ballots cannot be written to {self.file}: the disk took {written} bytes of a line")
        self._ballots[_key(ballot)] = ballot

    def _read(self) -> list[Ballot]:
        self._lines.seek(0)
        content = self._lines.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._lines.truncate(whole)
        return list(_ballots(content[:whole], self.file))


def read_ballots(file: Path) -> list[Ballot]:
    """The ballots of another judge, without a lock."""
    content = file.read_bytes()
    last = {_key(ballot): ballot for ballot in _ballots(content[: content.rfind(b"\n") + 1], file)}
    return list(last.values())


def _ballots(content: bytes, file: Path) -> Iterator[Ballot]:
    decoder = msgspec.json.Decoder(Ballot)
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise DataError(f"{file} line {number} is no ballot: {error}") from error


def _key(ballot: Ballot) -> PresentationKey:
    return ballot.dataset, ballot.query_id, ballot.a, ballot.b, ballot.first, ballot.shown
