"""Reads BEIR's format: JSON lines for texts, tab-separated qrels.

Qrels have BEIR's three columns below a header, or TREC's four (query, ignored, document, grade); the header is optional
in both. An unreadable line is a finding with file and line, and reading continues, so that a check can count them.
"""

from collections.abc import Container, Iterator
from pathlib import Path

import msgspec

from bench.data.findings import Findings, Kind
from bench.data.lines import numbered_lines
from bench.data.rows import Judgement, Text, is_number, joined, to_grade
from bench.wording import counted


class _Line(msgspec.Struct):
    """One line of corpus.jsonl or queries.jsonl; other fields are ignored."""

    id: str | int = msgspec.field(name="_id")
    text: str
    title: str | None = None


def texts(file: Path, findings: Findings) -> Iterator[Text]:
    """Yield the documents or queries of a JSONL file."""
    decoder = msgspec.json.Decoder(_Line)
    for location, line in numbered_lines(file, findings):
        try:
            entry = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            findings.add(Kind.UNREADABLE, f"{location}: {error}")
            continue
        yield Text(location, str(entry.id), joined(entry.title, entry.text))


def judgements(file: Path, findings: Findings, query_ids: Container[str]) -> Iterator[Judgement]:
    """Yield the judgements of a TSV file in either format.

    A header is a first line without a number at its end, a comment a line that begins with `#`. A line that begins with
    one of `query_ids` is neither: a judgement with a damaged grade is a finding wherever it stands.
    """
    at_top = True
    for location, line in numbered_lines(file, findings):
        columns = _columns(line)
        known = columns[0] in query_ids
        if line.startswith("#") and not known:
            continue
        is_header = at_top and not known and not is_number(columns[-1])
        at_top = False
        if is_header:
            continue
        if len(columns) not in (3, 4):
            wrong = f"{counted(len(columns), 'column')}; expected query, document, grade (or TREC's four)"
            findings.add(Kind.UNREADABLE, f"{location}: {wrong}")
            continue
        try:
            yield Judgement(location, columns[0], columns[-2], to_grade(columns[-1]))
        except ValueError as error:
            findings.add(Kind.GRADE, f"{location}: {error}")


def _columns(line: str) -> list[str]:
    """Split at tabs if that gives three or four columns (ids may contain spaces), otherwise as trec_eval does."""
    columns = [column.strip() for column in line.split("\t")]
    return columns if len(columns) in (3, 4) else line.split()
