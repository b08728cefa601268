"""The entrants: the contestants and their rankings, read from the results folder.

Reads `accuracy/<dataset>/<contestant>.jsonl` and the dataset's texts and judgements. A dataset is identified by the
name of its results, so that two splits of one dataset (`toy` and `toy-dev`) are kept apart. All contestants of a
dataset must have ranked the same candidates of the same dataset, and its texts must be unchanged; otherwise the error
names the files. What cannot be used is raised, or left out if the caller collects what is left out.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.accuracy import rankings
from bench.accuracy.owners import shown_name
from bench.data.datasets import Dataset
from bench.errors import DataError
from bench.left_out import LeftOut
from bench.records import DatasetNote

RankedLists = dict[str, tuple[str, ...] | None]
"""Query id to document ids, best first; None if the contestant failed."""
LoadDataset = Callable[[DatasetNote], Dataset]


@dataclass(frozen=True)
class ContestantRun:
    """One contestant's rankings of one dataset."""

    contestant: str
    file: Path
    dataset: DatasetNote
    candidates_sha256: str
    rankings: RankedLists


@dataclass(frozen=True)
class Entrants:
    """One dataset, and the contestants that ranked it."""

    dataset: Dataset
    candidates_sha256: str
    runs: dict[str, ContestantRun]
    """By contestant."""


def read_entrants(
    results: Path,
    load: LoadDataset,
    datasets: Collection[str] = (),
    contestants: Collection[str] = (),
    left_out: LeftOut | None = None,
) -> dict[str, Entrants]:
    """Return the entrants by dataset, for datasets with at least two contestants.

    Args:
        results: the results folder.
        load: loads the dataset that a note describes.
        datasets: the datasets to use; all if empty.
        contestants: the contestants to use; all if empty.
        left_out: gets each run and dataset that cannot be used.

    Raises:
        DataError: a name is unknown, or nothing can be used; without `left_out` also if a run or dataset cannot be.
    """
    root = results / "accuracy"
    folders = {shown_name(folder): folder for folder in sorted(root.glob("*")) if folder.is_dir()}
    _check_names("dataset", datasets, set(folders), root)
    runs = {name: _runs(folder, left_out) for name, folder in folders.items() if not datasets or name in datasets}
    found = {run.contestant for of_dataset in runs.values() for run in of_dataset}
    if left_out and not found.issuperset(contestants):
        left_out.raise_first()  # it may be the run of the contestant that was asked for
    _check_names("contestant", contestants, found, root)
    chosen = {
        name: {run.contestant: run for run in of_dataset if not contestants or run.contestant in contestants}
        for name, of_dataset in runs.items()
    }
    entrants = _by_dataset(chosen, load, left_out)
    if not entrants:
        if left_out:
            left_out.raise_first()
        chosen_only = " of those chosen" if contestants or datasets else ""
        raise DataError(
            f"{root} contains no dataset ranked by two contestants{chosen_only}: "
            f"{'choose more, or ' if chosen_only else ''}run `rerank-bench run` first"
        )
    return entrants


def _runs(folder: Path, left_out: LeftOut | None) -> list[ContestantRun]:
    runs: dict[str, ContestantRun] = {}
    for file in sorted(folder.glob("*.jsonl")):
        with left_out or nullcontext():
            run = read_run(file)
            if run.contestant in runs:
                raise DataError(f"{file} is a second run of {run.contestant}: remove one of them")
            runs[run.contestant] = run
    return list(runs.values())


def _by_dataset(
    runs: Mapping[str, dict[str, ContestantRun]], load: LoadDataset, left_out: LeftOut | None
) -> dict[str, Entrants]:
    """Return the entrants of every dataset that at least two contestants ranked."""
    entrants: dict[str, Entrants] = {}
    for name, ranked in runs.items():
        if len(ranked) > 1:
            with left_out or nullcontext():
                entrants[name] = _entrants(ranked, load)
    return entrants


def read_run(file: Path) -> ContestantRun:
    """Read a contestant's raw results."""
    raw = rankings.read(file)
    header = raw.headers[0]
    lists: RankedLists = {query_id: tuple(ranking.document_ids) for query_id, ranking in raw.rankings.items()}
    failed = dict.fromkeys(raw.failures)
    return ContestantRun(header.contestant.name, file, header.dataset, header.candidates.sha256, lists | failed)


def _check_names(kind: str, names: Collection[str], available: set[str], root: Path) -> None:
    for name in names:
        if name not in available:
            raise DataError(f"no {kind} {name!r} in {root}; available: {', '.join(sorted(available)) or 'none'}")


def _entrants(runs: dict[str, ContestantRun], load: LoadDataset) -> Entrants:
    first, *others = runs.values()
    for other in others:
        for kind, ours, theirs in (
            ("candidates", first.candidates_sha256, other.candidates_sha256),
            ("dataset versions", first.dataset.sha256, other.dataset.sha256),
        ):
            if ours != theirs:
                raise DataError(
                    f"{first.file} and {other.file} have different {kind} (sha256 {ours[:12]} and {theirs[:12]}): "
                    "run one of them again, or exclude it with --contestant"
                )
    dataset = load(first.dataset)
    if dataset.sha256 != first.dataset.sha256:
        raise DataError(
            f"the dataset in {dataset.folder} (sha256 {dataset.sha256[:12]}) is not the one ranked in {first.file} "
            f"(sha256 {first.dataset.sha256[:12]})"
        )
    return Entrants(dataset, first.candidates_sha256, runs)


def rankings_sha256(*rankings: tuple[str, ...] | None) -> str:
    """Hash whole rankings in the given order; returns 16 hex digits, enough to distinguish them."""
    return hashlib.sha256(msgspec.json.encode(rankings)).hexdigest()[:16]
