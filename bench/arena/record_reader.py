"""Reads arena records, those of format 1 too, which rated all contestants on one scale whether they had met or not."""

from pathlib import Path

from msgspec.structs import replace

from bench.arena.records import ArenaRecord, Standings
from bench.errors import DataError
from bench.records import read_as

FORMAT = 2


def read(path: Path) -> ArenaRecord:
    """Read an arena record; DataError if the file is not one or cannot be read as one.

    A record of format 1 has no `win_rate_tie_half`. If its contestants did not all meet on one dataset, the tables of
    its datasets take the place of the overall one.
    """
    record: ArenaRecord = read_as(path, ArenaRecord)
    if record.format > FORMAT:
        raise DataError(f"{path} has format {record.format}, but this version reads formats up to {FORMAT}: update it")
    return record if record.format == FORMAT else _from_format_1(record, path)


def _from_format_1(record: ArenaRecord, path: Path) -> ArenaRecord:
    by_dataset = {name: replace(of, datasets=[name]) for name, of in record.by_dataset.items()}
    if any(len(of.groups) > 1 for of in by_dataset.values()):
        raise DataError(
            f"{path} rates contestants that never met on one scale, because an older version wrote it: run "
            "`rerank-bench arena` again"
        )
    return replace(record, overall=_overall(record.overall, by_dataset), by_dataset=by_dataset)


def _overall(overall: Standings, by_dataset: dict[str, Standings]) -> Standings:
    names = {dataset: {at.contestant for at in of.standings} for dataset, of in by_dataset.items()}
    if any(len(of) == len(overall.standings) for of in names.values()):
        return replace(overall, datasets=list(by_dataset))
    largest = [dataset for dataset, of in names.items() if not any(of < other for other in names.values())]
    return replace(
        overall,
        standings=[],
        groups=[sorted(names[dataset]) for dataset in largest],
        apart=[by_dataset[dataset] for dataset in largest],
    )
