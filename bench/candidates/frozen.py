"""Frozen candidates: `candidates.json` in a dataset's results folder, the lists that every contestant reranks.

The file is written once, by `rerank-bench candidates` or by the first run that needs it. Every later run uses it, and
is refused if it requests another dataset, depth or source: figures of different lists must not share a table.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench import provenance
from bench.candidates import candidates
from bench.candidates.candidates import K1, B, Candidates, Dense
from bench.data.datasets import Dataset
from bench.errors import DataError
from bench.file_lock import FileLock
from bench.records import CandidatesNote, DatasetNote, Provenance
from bench.storage import write_json

FILE = "candidates.json"
DEPTH = 50
"""Default number of candidates per query, as on the public leaderboard."""
SOURCES = {"dense", "run_sha256", "bm25"}
"""The settings that name a source; a file has exactly one of them."""


class FrozenCandidates(msgspec.Struct, frozen=True, tag_field="record", tag="candidates"):
    """The contents of `candidates.json`."""

    provenance: Provenance
    dataset: DatasetNote
    candidates: CandidatesNote
    settings: dict[str, Any]
    """The requested settings: the source and its parameters, and the depth."""
    lists: dict[str, list[str]]
    """Query id to document ids, best first; a query without candidates has an empty list."""
    format: int = 1


@dataclass(frozen=True)
class Choice:
    """The requested candidates. None leaves a setting open."""

    depth: int | None = None
    run_file: Path | None = None
    dense: Dense | None = None

    def settings(self) -> dict[str, Any]:
        """The settings that are not left open, in the form in which the file records them."""
        depth = {"depth": self.depth} if self.depth else {}
        if self.dense:
            return {"dense": self.dense.model.model, "url": self.dense.model.address, **depth}
        if self.run_file:
            return {"run": self.run_file.name, "run_sha256": _sha256(self.run_file), **depth}
        return depth

    def complete(self, dataset: Dataset) -> "Choice":
        """Return the choice with defaults filled in: depth `DEPTH`, and the dataset's own run if it has one."""
        run_file = self.run_file if self.dense else self.run_file or candidates.shipped_run(dataset)
        return Choice(self.depth or DEPTH, run_file, self.dense)


def load_or_freeze(
    dataset: Dataset,
    choice: Choice,
    folder: Path,
    *,
    exact: bool = False,
    say: Callable[[str], object] = print,
) -> Candidates:
    """Return the candidates frozen in `folder`; if there are none, freeze those of `choice`.

    Args:
        dataset: the dataset of the candidates.
        choice: the requested settings. Open ones are taken from the frozen candidates; new candidates have depth
            `DEPTH` and come from the dataset's own run or else from BM25.
        folder: the dataset's results folder.
        exact: whether open settings must equal the defaults too.
        say: receives a sentence if another process is freezing them at this moment; its candidates are then used.

    Raises:
        DataError: the folder has candidates of another dataset, depth or source.
    """
    path = folder / FILE
    if not path.exists():
        with FileLock(path, f"another process is writing {path}: waiting for it", wait=say):
            if not path.exists():
                return _freeze(dataset, choice.complete(dataset), path)
    frozen = _read(path, dataset)
    _check_same(path, frozen.settings, _all_settings(choice.complete(dataset)) if exact else choice.settings())
    return _candidates(frozen)


def _freeze(dataset: Dataset, choice: Choice, path: Path) -> Candidates:
    new = candidates.freeze(dataset, choice.depth or DEPTH, choice.run_file, choice.dense)
    url = choice.dense.model.address if choice.dense else None
    settings = _all_settings(choice)
    record = FrozenCandidates(provenance.gather(url, None, settings), dataset.note(), new.note(), settings, new.lists)
    write_json(record, path)
    return new


def _all_settings(choice: Choice) -> dict[str, Any]:
    """Return the settings of a complete choice: all that the lists depend on except the dataset and the libraries."""
    bm25 = {} if choice.dense or choice.run_file else {"bm25": {"k1": K1, "b": B}}
    return {**bm25, **choice.settings()}


def _candidates(record: FrozenCandidates) -> Candidates:
    return Candidates(record.candidates.source, record.candidates.depth, record.lists)


def _check_same(path: Path, frozen: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise DataError if a requested setting or the source differs from the file's."""
    source = SOURCES & wanted.keys()
    differing = [name for name in wanted if frozen.get(name) != wanted[name] and name != "run"]
    if differing or (source and source != SOURCES & frozen.keys()):
        raise DataError(f"{path} contains {_in_words(frozen)}, not {_in_words(wanted)}; {_ELSEWHERE}")


def _in_words(settings: dict[str, Any]) -> str:
    """Describe the settings in words."""
    words = [f"the top {settings['depth']}"] if "depth" in settings else []
    if "dense" in settings:
        words.append(f"the model {settings['dense']} at {settings['url']}")
    if "run_sha256" in settings:
        name = f" {settings['run']}" if "run" in settings else ""
        words.append(f"the run{name} (sha256 {settings['run_sha256'][:12]})")
    if "bm25" in settings:
        words.append(f"BM25 (k1={settings['bm25']['k1']} b={settings['bm25']['b']})")
    return " of ".join(words)


def _read(path: Path, dataset: Dataset) -> FrozenCandidates:
    try:
        record = msgspec.json.decode(path.read_bytes(), type=FrozenCandidates)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DataError(f"{path} does not contain frozen candidates: {error}") from error
    if _candidates(record).sha256 != record.candidates.sha256:
        raise DataError(f"{path} was modified after it was frozen: its lists do not match their sha256; {_ELSEWHERE}")
    if (record.dataset.sha256, record.dataset.split) != (dataset.sha256, dataset.split):
        raise DataError(
            f"{path} is for another {record.dataset.name} ({record.dataset.split}, sha256 {record.dataset.sha256[:12]})"
            f" than the given one ({dataset.split}, sha256 {dataset.sha256[:12]}); {_ELSEWHERE}"
        )
    return record


_ELSEWHERE = "use another --results folder, or remove this one to start over"


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
