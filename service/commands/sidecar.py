"""The file beside an output of `rerank score`, OUTPUT.job.json: how its lines were made, and of which documents.

It is written anew before each chunk of results, by a rename: at whatever moment a run is killed, the output holds no
line that the sidecar does not account for. A run may go on with an output if its job is the same and its documents
begin with the lines that were read before. Everything is compared exactly; nothing is scored again.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from service.settings import SettingsError


class ScoringJob(msgspec.Struct, frozen=True, kw_only=True):
    """How documents are scored; the lines of one output file are all scored in one way."""

    model: str
    """The model's name and what its artefact is, NAME@sha256:HEX."""
    query: str | None
    raw_scores: bool
    max_tokens: int
    max_chunks_per_doc: int
    overlap_tokens: int


class LinesRead(msgspec.Struct, frozen=True, kw_only=True):
    """The first lines of the documents: how many, and the sha256 over them, each ended by one newline."""

    count: int
    sha256: str


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

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
    """Where the sidecar of an output file lies."""
    return output.with_name(f"{output.name}.job.json")


def write(output: Path, sidecar: Sidecar) -> None:
    """Write the sidecar of an output file in one step: a kill leaves the old one or the new one."""
    path = path_of(output)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n")
    partial.replace(path)


def read(output: Path) -> Sidecar:
    """Read the sidecar of an output file; raise SettingsError where there is none or it is none of ours."""
    path = path_of(output)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sidecar)
    except FileNotFoundError:
        raise SettingsError(
            f"{output} was not written by rerank score, or by an earlier version, for {path.name} is not beside it: "
            "give another --output, or delete the file to start anew"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} does not tell how {output} was made ({error}): delete both to start anew"
        ) from None


def check_job(output: Path, earlier: ScoringJob, job: ScoringJob) -> None:
    """Raise SettingsError, naming each difference, where an output was made by another job."""
    before, now = msgspec.structs.asdict(earlier), msgspec.structs.asdict(job)
    differences = [
        f"another --{field.replace('_', '-')} ({value!r}, now {now[field]!r})"
        for field, value in before.items()
        if value != now[field]
    ]
    if differences:
        raise SettingsError(f"{output} was made with {' and '.join(differences)}: give the same, or another --output")


def check_documents(output: Path, earlier: LinesRead, read: LinesRead) -> None:
    """Raise SettingsError where the lines read are not those that an output was made of."""
    if read.count < earlier.count:
        short = f"it was made of {earlier.count} lines, and these have {read.count}"
        raise SettingsError(f"{output} belongs to other documents: {short}")
    if read.sha256 != earlier.sha256:
        changed = f"the first {earlier.count} lines are not those that it was made of"
        raise SettingsError(f"{output} belongs to other documents: {changed}")
