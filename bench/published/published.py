"""Figures published by others: read from a file, labelled, and kept apart from everything measured here.

Three forms are read: the list of sources that this bench ships and writes, the public leaderboard's own
`benchmarks.json`, and a CSV of contestant, dataset (empty for overall), figure and value. A figure keeps its published
value, source, date and label, and the bench computes no measure or rating from it.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from bench import records
from bench.data.lines import other_form
from bench.errors import DataError
from bench.file_lock import FileLock
from bench.storage import write_json

SHIPPED = Path(__file__).parent / "published.json"
FILE = "published.json"
LABEL = "published, other definition, network included"
COLUMNS = ["contestant", "dataset", "figure", "value"]
NAMES = {"ndcg": "nDCG", "recall": "Recall", "avg_ndcg_10": "nDCG@10", "avg_latency_ms": "mean_ms"}

Figures = dict[str, float]


class PublishedContestant(msgspec.Struct, frozen=True, omit_defaults=True):
    """One contestant's published figures by name, such as `elo`, `win_rate` (0 to 1), `nDCG@10` or `p50_ms`."""

    contestant: str
    overall: Figures = {}
    by_dataset: dict[str, Figures] = {}
    """By the source's own dataset names; the texts may differ from those of the bench's datasets."""


class PublishedSource(msgspec.Struct, frozen=True):
    """Figures of one source."""

    source: str
    date: str
    """When the figures were taken from the source, YYYY-MM-DD."""
    label: str
    contestants: list[PublishedContestant]


class PublishedRecord(msgspec.Struct, frozen=True, tag_field="record", tag="published"):
    """The contents of `published.json` in a results folder."""

    sources: list[PublishedSource]
    format: int = 1


class _Overview(msgspec.Struct):
    """An entry of the public leaderboard's file; its figures may be nested in groups."""

    name: str
    overall: dict[str, Any]
    by_dataset: dict[str, dict[str, Any]] = {}


def shipped() -> list[PublishedSource]:
    """Return the sources that ship with the bench."""
    sources: list[PublishedSource] = _decode(SHIPPED.read_bytes(), list[PublishedSource], SHIPPED)
    return sources


def read(file: Path, source: str | None, taken: str | None) -> list[PublishedSource]:
    """Return the sources in `file`.

    Args:
        file: a file in one of the three forms.
        source: the source of the figures; required if the file does not name it.
        taken: the date on which they were retrieved, YYYY-MM-DD; likewise.
    """
    sources = _read(file, source, taken)
    if not any(entry.overall or any(entry.by_dataset.values()) for each in sources for entry in each.contestants):
        raise DataError(f"{file} contains no figures")
    return sources


def _read(file: Path, source: str | None, taken: str | None) -> list[PublishedSource]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from error
    if (form := other_form(content)) is not None:
        raise DataError(f"{file} {form}")
    if file.suffix.lower() == ".csv":
        contestants = _from_csv(content, file)
    else:
        try:
            return [_checked(each) for each in msgspec.json.decode(content, type=list[PublishedSource])]
        except msgspec.MsgspecError:
            entries = _decode(content, list[_Overview], file)
        contestants = [
            PublishedContestant(entry.name, _flat(entry.overall), {k: _flat(v) for k, v in entry.by_dataset.items()})
            for entry in entries
        ]
    if not source or not taken:
        raise DataError(f"{file} does not name the source of its figures: give --source and --date")
    return [_checked(PublishedSource(source, taken, LABEL, contestants))]


def merge(results: Path, sources: Sequence[PublishedSource]) -> PublishedRecord:
    """Write the sources into the results folder, replacing earlier figures of the same sources."""
    file = results / FILE
    with FileLock(file, f"another import is writing to {file}: run the same command again when it has ended"):
        before = load(results)
        by_source = {each.source: each for each in [*(before.sources if before else []), *sources]}
        record = PublishedRecord([by_source[name] for name in sorted(by_source)])
        write_json(record, file)
    return record


def load(results: Path) -> PublishedRecord | None:
    """Return the figures imported into the results folder; None if there are none."""
    file = results / FILE
    if not file.is_file():
        return None
    record: PublishedRecord = records.read_as(file, PublishedRecord)
    return record


def _decode(content: bytes, kind: Any, file: Path) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise DataError(f"{file} contains no published figures: {error}") from error


def _checked(source: PublishedSource) -> PublishedSource:
    try:
        date.fromisoformat(source.date)
    except ValueError:
        raise DataError(f"the date of {source.source!r} must be YYYY-MM-DD, not {source.date!r}") from None
    for entry in source.contestants:
        for figures in (entry.overall, *entry.by_dataset.values()):
            _check_figures(source, entry.contestant, figures)
    return source


def _check_figures(source: PublishedSource, contestant: str, figures: Figures) -> None:
    """Raise DataError for a figure that is not finite, and for a win rate in percent."""
    for name, value in figures.items():
        if not math.isfinite(value):
            raise DataError(f"{source.source}: {name} of {contestant} is {value}, which is not a finite number")
        if name == "win_rate" and not 0 <= value <= 1:
            raise DataError(f"{source.source}: win_rate of {contestant} must be a share from 0 to 1, not {value:g}")


def _flat(figures: dict[str, Any]) -> Figures:
    """Return all numbers of an entry, whatever group (metrics, latency) they are in."""
    flat: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= _flat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                flat[_named(name)] = float(value)
            except OverflowError:  # an integer of hundreds of digits; `_check_figures` refuses it
                flat[_named(name)] = math.inf
    return flat


def _named(name: str) -> str:
    """Return a figure's name as the bench writes it."""
    measure, at, cut = name.partition("@")
    return NAMES.get(measure, measure) + at + cut


def _from_csv(content: bytes, file: Path) -> list[PublishedContestant]:
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        if rows.fieldnames is None or [name.strip() for name in rows.fieldnames] != COLUMNS:
            raise DataError(f"{file}: the first line must be {','.join(COLUMNS)}")
        return _grouped(rows, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a CSV file in UTF-8: {error}") from error


def _grouped(rows: Iterable[dict[str, str | Any]], file: Path) -> list[PublishedContestant]:
    contestants: dict[str, PublishedContestant] = {}
    for number, row in enumerate(rows, start=2):
        try:
            name, dataset, figure, value = (row[column].strip() for column in COLUMNS)
            number_value = float(value)
        except (AttributeError, KeyError, ValueError):
            raise DataError(f"{file} line {number}: expected four columns with a number in the last") from None
        if not name or not figure:
            raise DataError(f"{file} line {number}: contestant and figure must not be empty")
        entry = contestants.setdefault(name, PublishedContestant(name, {}, {}))
        (entry.by_dataset.setdefault(dataset, {}) if dataset else entry.overall)[_named(figure)] = number_value
    if not contestants:
        raise DataError(f"{file} contains no figures")
    return list(contestants.values())
