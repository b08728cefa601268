"""Frozen candidates: `candidates.json` in a dataset's results folder, the list that every contestant there was given.

Made once, by `rerank-bench candidates` or by the first run that needs it; every later run takes it from there, or is
refused where its dataset, its depth or its source are others: figures of different lists must not meet in one table.
Who asks for nothing in particular gets what is there.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench import provenance
from bench.candidates import candidates
from bench.candidates.candidates import K1, B, Candidates, Dense
from bench.data.datasets import Dataset
from bench.errors import DataError
from bench.records import CandidatesNote, DatasetNote, Provenance
from bench.storage import write_json

FILE = "candidates.json"
DEPTH = 50
"""Candidates a query, as the public leaderboard has them."""


class FrozenCandidates(msgspec.Struct, frozen=True, tag_field="record", tag="candidates"):
    """What the file holds."""

    provenance: Provenance
    dataset: DatasetNote
    candidates: CandidatesNote
    settings: dict[str, Any]
    """What was asked for: the source and what it depends on, the depth."""
    lists: dict[str, list[str]]
    """Query id to document ids, best first; a query without candidates has an empty list."""
    format: int = 1


@dataclass(frozen=True)
class Choice:
    """Which candidates are wanted; without a run file and a dense model, the dataset's own run or else BM25."""

    depth: int = DEPTH
    run_file: Path | None = None
    dense: Dense | None = None

    def settings(self, dataset: Dataset) -> dict[str, Any]:
        """Everything that the lists depend on but the dataset and the libraries."""
        file = self.run_file or candidates.shipped_run(dataset)
        if self.dense:
            source: dict[str, Any] = {"dense": self.dense.model.model, "url": self.dense.model.address}
        elif file:
            source = {"run": file.name, "run_sha256": _sha256(file)}
        else:
            source = {"bm25": {"k1": K1, "b": B}}
        return {**source, "depth": self.depth}


def keep(dataset: Dataset, depth: int | None, run_file: Path | None, folder: Path) -> Candidates:
    """The candidates that are frozen in `folder`, frozen there now where none are.

    Args:
        dataset: whose they must be.
        depth: how deep they must be; None takes what is there, or else `DEPTH`.
        run_file: whose lists they must be; None takes what is there, or else the dataset's own run or BM25.
        folder: of the dataset's results.

    Raises:
        DataError: the folder holds those of another dataset, depth or source.
    """
    path = folder / FILE
    if not path.exists():
        return _make(dataset, Choice(depth or DEPTH, run_file), path)
    there = _read(path, dataset)
    wanted: dict[str, Any] = {"depth": depth} if depth else {}
    wanted |= {"run": run_file.name, "run_sha256": _sha256(run_file)} if run_file else {}
    _refuse_others(path, there, wanted)
    return _candidates(there)


def keep_chosen(dataset: Dataset, choice: Choice, folder: Path) -> Candidates:
    """As `keep`, but exactly those of `choice`: nothing is taken because it happens to be there."""
    path = folder / FILE
    if not path.exists():
        return _make(dataset, choice, path)
    there = _read(path, dataset)
    _refuse_others(path, there, choice.settings(dataset))
    return _candidates(there)


def _make(dataset: Dataset, choice: Choice, path: Path) -> Candidates:
    made = candidates.freeze(dataset, choice.depth, choice.run_file, choice.dense)
    settings = choice.settings(dataset)
    url = choice.dense.model.address if choice.dense else None
    record = FrozenCandidates(provenance.gather(url, None, settings), dataset.note(), made.note(), settings, made.lists)
    write_json(record, path)
    return made


def _candidates(record: FrozenCandidates) -> Candidates:
    return Candidates(record.candidates.source, record.candidates.depth, record.lists)


def _refuse_others(path: Path, there: FrozenCandidates, wanted: dict[str, Any]) -> None:
    """DataError where a wanted setting is not what the file was made with, or another source's is."""
    sources = {"dense", "run_sha256", "bm25"}
    asked = sources & wanted.keys()
    other = [name for name in wanted if there.settings.get(name) != wanted[name] and name != "run"]
    if other or (asked and asked != sources & there.settings.keys()):
        held, named = _told(there.settings), _told(wanted)
        raise DataError(f"{path} holds {held}, not {named}; {_ELSEWHERE}")


def _told(settings: dict[str, Any]) -> str:
    """Settings in words, as far as they say anything."""
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
        raise DataError(f"{path} is no file of frozen candidates: {error}") from error
    if _candidates(record).sha256 != record.candidates.sha256:
        raise DataError(f"{path} was changed after it was frozen: its lists do not match their sha256; {_ELSEWHERE}")
    if (record.dataset.sha256, record.dataset.split) != (dataset.sha256, dataset.split):
        raise DataError(
            f"{path} is of another {record.dataset.name} ({record.dataset.split}, sha256 {record.dataset.sha256[:12]}) "
            f"than the one given ({dataset.split}, sha256 {dataset.sha256[:12]}); {_ELSEWHERE}"
        )
    return record


_ELSEWHERE = "give another --results folder, or remove this one to begin anew"


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
