"""The file beside an output of `rerank score`, OUTPUT.job.json: records the job and the documents of the output.

It is replaced atomically before each group of results: whenever a run is killed, every line of the output is covered by
the sidecar. A run can resume an output if its job is the same and its documents begin with the lines that were read
before. Everything is compared exactly; nothing is scored again.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from models.wording import are, counted
from service.settings import SettingsError


class ScoringJob(msgspec.Struct, frozen=True, kw_only=True):
    """How documents are scored; the same for all lines of an output file."""

    model: str
    """The model's name and the digest of its artefact, NAME@sha256:HEX."""
    query: str | None
    raw_scores: bool
    max_tokens: int
    max_chunks_per_doc: int
    overlap_tokens: int


class LinesRead(msgspec.Struct, frozen=True, kw_only=True):
    """The number of document lines read so far, and their sha256, each line ended by one newline."""

    count: int
    sha256: str


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of the sidecar."""

    format: Literal[1] = 1
    job: ScoringJob
    documents: LinesRead


class CountedLines(Iterator[bytes]):
    """The lines of an input, counted and hashed as they are read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._count = 0
        self._sha256 = hashlib.sha256()

    def __next__(self) -> bytes:
        line = next(self._lines)
        self._count += 1
        self._sha256.update(line.removesuffix(b"\n") + b"\n")
        return line

    @property
    def so_far(self) -> LinesRead:
        """The lines that have been read so far."""
        return LinesRead(count=self._count, sha256=self._sha256.hexdigest())


def path_of(output: Path) -> Path:
    """Return the path of an output file's sidecar."""
    return output.with_name(f"{output.name}.job.json")


def write(output: Path, sidecar: Sidecar) -> None:
    """Write the sidecar of an output file atomically: a killed run leaves the old or the new one, never half of one."""
    path = path_of(output)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n")
    partial.replace(path)


def read(output: Path) -> Sidecar:
    """Read the sidecar of an output file; raise SettingsError if it is missing or invalid."""
    path = path_of(output)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sidecar)
    except FileNotFoundError:
        raise SettingsError(
            f"{output} has no {path.name} beside it, so it was not written by this version of rerank score: "
            "use another --output, or delete the file to start over"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not a valid sidecar of {output} ({error}): delete both to start over") from None


def check_job(output: Path, earlier: ScoringJob, job: ScoringJob) -> None:
    """Raise SettingsError, naming each difference, if an output was made by another job."""
    before, now = msgspec.structs.asdict(earlier), msgspec.structs.asdict(job)
    differences = [
        f"another --{field.replace('_', '-')} ({value!r}, now {now[field]!r})"
        for field, value in before.items()
        if value != now[field]
    ]
    if differences:
        raise SettingsError(
            f"{output} was made with {' and '.join(differences)}: use the same options, or another --output"
        )


def check_documents(output: Path, earlier: LinesRead, read: LinesRead) -> None:
    """Raise SettingsError if the lines read are not those that an output was made from."""
    if read.count < earlier.count:
        short = (
            f"it was made from {counted(earlier.count, 'line')}, but only {read.count} {are(read.count, 'were')} given"
        )
        raise SettingsError(f"{output} belongs to other documents: {short}")
    if read.sha256 != earlier.sha256:
        one, several = "the first line differs from the one", f"the first {earlier.count} lines differ from those"
        changed = one if earlier.count == 1 else several
        raise SettingsError(f"{output} belongs to other documents: {changed} that it was made from")
