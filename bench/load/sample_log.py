"""The log of a running load test: every request of every worker, saved as it arrives.

It runs in locust's master or, without workers, in the only process. A killed test leaves every sample received so far,
no file is overwritten, and the statistics count each request once. If the disk is full, the test goes on: the file ends
with the last whole line, the statistics are those of all requests, and the report says what is missing.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from bench.errors import BenchError
from bench.file_lock import FileLock
from bench.load.samples import LoadHeader, LoadSample, Reported, table
from bench.storage import JsonLog, check_writable
from bench.wording import counted

log = logging.getLogger(__name__)


class SamplesFile:
    """The file of one test. The first failure to write it is reported, and ends it."""

    def __init__(self, path: Path, header: LoadHeader, on_failure: Callable[[str], object]) -> None:
        self.failure: str | None = None
        """Why the file does not have all requests, in one sentence."""
        self._on_failure = on_failure
        self._requests = 0
        self._log: JsonLog[LoadHeader | LoadSample] | None = None
        try:
            self._log = JsonLog[LoadHeader | LoadSample](path, if_locked=_if_locked(path)).open()
            self._log.append(header)
        except BenchError as error:
            self._end(error)

    def append(self, sample: LoadSample) -> None:
        """Write one request, unless the file has ended."""
        if self._log is not None:
            try:
                self._log.append(sample)
                self._requests += 1
            except BenchError as error:
                self._end(error)

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _end(self, error: BenchError) -> None:
        self.close()
        self.failure = f"{error}; it has the first {counted(self._requests, 'request')}, and the statistics have all"
        self._on_failure(self.failure)


class SampleLog:
    """The requests of the current or last test; with `path` None no file is written.

    `on_failure` gets a sentence when the file cannot be written any more.
    """

    def __init__(self, path: Path | None, on_failure: Callable[[str], object] = log.error) -> None:
        self.samples: list[LoadSample] = []
        self._pairs: set[int] = set()
        """All pairs of the test; about 80 bytes for each."""
        self._on_failure = on_failure
        self._path = path
        self._started_unix_s = 0.0
        self._log: SamplesFile | None = None
        self._session = None if path is None else _reserved(path)

    def start(self, header: LoadHeader, now_unix_s: float) -> None:
        """Begin a test; every further test of a web session gets a file of its own."""
        self._end_log()
        self.samples, self._pairs, self._started_unix_s = [], set(), now_unix_s
        if self._path is not None:
            self._log = SamplesFile(_free(self._path), header, self._on_failure)

    def add(self, requests: Iterable[Reported]) -> None:
        """Add requests whose times are Unix seconds, and count which of their pairs were sent before."""
        for reported in requests:
            fresh = -len(self._pairs)
            self._pairs.update(reported.pairs)
            fresh += len(self._pairs)
            sample = replace(self._since_start(reported.sample), repeated_pairs=len(reported.pairs) - fresh)
            self.samples.append(sample)
            if self._log is not None:
                self._log.append(sample)

    def close(self) -> None:
        """Close the file and let another load test have its name; closing it again does nothing."""
        self._end_log()
        if self._session is not None:
            self._session.release()

    def _end_log(self) -> None:
        if self._log is not None:
            self._log.close()

    def report(self, requests: int, per_s: float) -> str:
        """Return the exact statistics, locust's own count, and what the file lacks."""
        incomplete = f"\n{self._log.failure}" if self._log is not None and self._log.failure else ""
        lost = "" if requests == len(self.samples) else f"; {counted(len(self.samples), 'sample')} received"
        own = f"locust's own count: {counted(requests, 'request')}, {per_s:.2f} per second"
        return f"{table(self.samples)}\n{own}{lost}{incomplete}"

    def _since_start(self, reported: LoadSample) -> LoadSample:
        sample, zero = reported.sample, self._started_unix_s
        times = {name: round(getattr(sample, name) - zero, 6) for name in ("planned_s", "sent_s", "done_s")}
        return replace(reported, sample=replace(sample, **times))


def _reserved(path: Path) -> FileLock:
    """Reserve a file name for this process before its first test; BenchError if it is in use or cannot be written."""
    session = FileLock(path.with_name(f"{path.name}.session"), _if_locked(path)).acquire()
    with contextlib.ExitStack() as undo:
        undo.callback(session.release)
        if path.exists():
            raise BenchError(f"{path} already exists: give --samples another file name")
        check_writable(path)
        undo.pop_all()
    return session


def _if_locked(path: Path) -> str:
    return f"another load test is writing to {path}: give --samples another file name"


def _free(path: Path) -> Path:
    """Return the path if it is unused, otherwise the first unused one with -2, -3 and so on."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(other for other in numbered if not other.exists())
