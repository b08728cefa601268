"""Frozen candidates: `candidates.json` in a dataset's results folder, the list that every contestant there was given.

Made once, by the first run that needs it; every later run takes it from there, or is refused where its dataset, its
depth or its candidates are others: figures of different lists must not meet in one table.
"""

from pathlib import Path

import msgspec

from bench import candidates
from bench.candidates import Candidates
from bench.datasets import Dataset
from bench.errors import DataError
from bench.records import CandidatesNote, DatasetNote, write_bytes

FILE = "candidates.json"


class FrozenCandidates(msgspec.Struct, frozen=True, tag_field="record", tag="candidates"):
    """What the file holds."""

    dataset: DatasetNote
    candidates: CandidatesNote
    lists: dict[str, list[str]]
    format: int = 1


def keep(dataset: Dataset, depth: int, run_file: Path | None, folder: Path) -> Candidates:
    """The candidates that are frozen in `folder`, frozen there now where none are.

    DataError in one sentence where the folder holds those of another dataset, depth or source.
    """
    path = folder / FILE
    if not path.exists():
        made = candidates.freeze(dataset, depth, run_file)
        record = FrozenCandidates(dataset.note(), made.note(), made.lists)
        write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1), path)
        return made
    record = _read(path)
    there = Candidates(record.candidates.source, record.candidates.depth, record.lists)
    elsewhere = "give another --results folder, or remove this one to begin anew"
    if there.sha256 != record.candidates.sha256:
        raise DataError(f"{path} was changed after it was frozen: its lists do not match their sha256; {elsewhere}")
    if (record.dataset.sha256, record.dataset.split) != (dataset.sha256, dataset.split):
        raise DataError(
            f"{path} is of another {record.dataset.name} ({record.dataset.split}, sha256 {record.dataset.sha256[:12]}) "
            f"than the one given ({dataset.split}, sha256 {dataset.sha256[:12]}); {elsewhere}"
        )
    if there.depth != depth:
        raise DataError(f"{path} holds the top {there.depth}, not the top {depth}; {elsewhere}")
    if run_file and candidates.freeze(dataset, depth, run_file).sha256 != there.sha256:
        raise DataError(f"{path} holds candidates of {there.source}, not those of {run_file}; {elsewhere}")
    return there


def _read(path: Path) -> FrozenCandidates:
    try:
        return msgspec.json.decode(path.read_bytes(), type=FrozenCandidates)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DataError(f"{path} is no file of frozen candidates: {error}") from error
