"""Find out to which dataset or contestant a folder or file of the accuracy stage belongs, whatever it is called.

Only what names the owner is read: the dataset in the frozen candidates or in a header, the contestant in a header.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from bench.candidates.frozen import FILE
from bench.contestants.contestant import is_same_contestant
from bench.names import IsOwn, file_name
from bench.records import ContestantNote

Head = TypeVar("Head")


class _DatasetNames(msgspec.Struct, frozen=True):
    name: str
    split: str


class _WithDataset(msgspec.Struct):
    dataset: _DatasetNames


class _WithContestant(msgspec.Struct):
    contestant: ContestantNote


def dataset_name(name: str, split: str) -> str:
    """Return the name of a dataset's results: the split is part of it unless it is `test`."""
    return name if split == "test" else f"{name}-{split}"


def shown_name(folder: Path) -> str:
    """Return the name under which tables show a results folder: its dataset's, or its own if two datasets share one."""
    owner = _dataset_of(folder)
    shown = folder.name if owner is None else dataset_name(owner.name, owner.split)
    return shown if folder.name == file_name(shown) else folder.name


def of_dataset(name: str, split: str) -> IsOwn:
    """Return a function that tells whether a results folder belongs to the dataset."""

    def is_own(folder: Path) -> bool | None:
        owner = _dataset_of(folder)
        return None if owner is None else owner == _DatasetNames(name, split)

    return is_own


def of_contestant(note: ContestantNote) -> IsOwn:
    """Return a function that tells whether a file of raw rankings belongs to the contestant."""

    def is_own(rankings: Path) -> bool | None:
        header = _decoded(_first_line(rankings), _WithContestant)
        return None if header is None else is_same_contestant(header.contestant, note)

    return is_own


def _dataset_of(folder: Path) -> _DatasetNames | None:
    frozen = folder / FILE
    if frozen.is_file() and (record := _decoded(frozen.read_bytes(), _WithDataset)):
        return record.dataset
    for rankings in sorted(folder.glob("*.jsonl")):
        if rankings.is_file() and (header := _decoded(_first_line(rankings), _WithDataset)):
            return header.dataset
    return None


def _first_line(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.readline()


def _decoded(content: bytes, kind: type[Head]) -> Head | None:
    """Decode what names the owner; None if the content is damaged, which whoever reads all of it reports."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        return None
