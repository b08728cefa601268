"""Reads the Hugging Face form of BEIR: Parquet with `_id`, `title`, `text`, and `query-id`, `corpus-id`, `score`.

Yields the same rows as `bench.data.beir`, so that a dataset gives the same lists and measures in either form. `id` is
used if there is no `_id`. Scores are whole numbers, whatever their stored type. A file that is not Parquet or lacks a
column is a DataError; an unreadable row is a finding with its number.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from bench.data.findings import Findings, Kind
from bench.data.rows import Judgement, Text, joined, to_grade
from bench.errors import DataError

QRELS_COLUMNS = ("query-id", "corpus-id", "score")


def texts(file: Path, findings: Findings) -> Iterator[Text]:
    """Yield the documents or queries of a Parquet file."""
    columns = _columns(file)
    key = "_id" if "_id" in columns else "id"
    for location, row in _rows(file, columns, (key, "text"), ("title",)):
        identity, text, title = row[key], row["text"], row.get("title")
        if identity is None or not isinstance(text, str):
            findings.add(Kind.UNREADABLE, f"{location}: {'no id' if identity is None else 'the text is not a string'}")
            continue
        yield Text(location, str(identity), joined(title, text))


def judgements(file: Path, findings: Findings) -> Iterator[Judgement]:
    """Yield the judgements of a Parquet file."""
    for location, row in _rows(file, _columns(file), QRELS_COLUMNS, ()):
        query_id, document_id, grade = (row[name] for name in QRELS_COLUMNS)
        if query_id is None or document_id is None:
            findings.add(Kind.UNREADABLE, f"{location}: an id is missing")
            continue
        try:
            yield Judgement(location, str(query_id), str(document_id), to_grade(grade))
        except ValueError as error:
            findings.add(Kind.GRADE, f"{location}: {error}")


def _columns(file: Path) -> list[str]:
    try:
        return list(pyarrow.parquet.read_schema(file).names)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


def _rows(
    file: Path, columns: Sequence[str], needed: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    absent = [name for name in needed if name not in columns]
    if absent:
        raise DataError(f"{file} has no column {', '.join(absent)}; its columns are {', '.join(columns)}")
    wanted = [*needed, *(name for name in optional if name in columns)]
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            number = 0
            for batch in opened.iter_batches(columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file} row {number}", row
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{file} cannot be read as Parquet: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
