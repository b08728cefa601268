"""Reads BEIR's format: JSON lines for texts, tab-separated qrels.

Qrels have BEIR's three columns below a header, or TREC's four (query, ignored, document, grade); the header is optional
in both. A byte-order mark and Windows line endings are allowed. An unreadable line is a finding with file and line, and
reading continues, so that a check can count them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.data.findings import Findings, Kind
from bench.data.rows import Judgement, Text, joined
from bench.errors import DataError
from bench.wording import counted


class _Line(msgspec.Struct):
    """One line of corpus.jsonl or queries.jsonl; other fields are ignored."""

    id: str | int = msgspec.field(name="_id")
    text: str
    title: str | None = None


def numbered_lines(file: Path, findings: Findings | None = None) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file that are not empty, each with its location "file line n" for messages.

    A file in UTF-16 or UTF-32 is a DataError. A line that is not UTF-8 is a finding if `findings` is given, otherwise a
    DataError too.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    encoding = json.detect_encoding(content[:4])
    if not encoding.startswith("utf-8"):
        name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
        raise DataError(f"{file} is in {name}, not in UTF-8: convert it with iconv -f {name} -t UTF-8")
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        location = f"{file} line {number}"
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            sentence = f"{location}: invalid UTF-8 at byte {error.start + 1} of the line"
            if findings is None:
                raise DataError(sentence) from error
            findings.add(Kind.UNREADABLE, sentence)
            continue
        if line.strip():
            yield location, line


def texts(file: Path, findings: Findings) -> Iterator[Text]:
    """Yield the documents or queries of a JSONL file."""
    decoder = msgspec.json.Decoder(_Line)
    for location, line in numbered_lines(file, findings):
        try:
            entry = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError) as error:
            findings.add(Kind.UNREADABLE, f"{location}: {error}")
            continue
        yield Text(location, str(entry.id), joined(entry.title, entry.text))


def judgements(file: Path, findings: Findings) -> Iterator[Judgement]:
    """Yield the judgements of a TSV file in either format."""
    for index, (location, line) in enumerate(numbered_lines(file, findings)):
        columns = [column.strip() for column in (line.split("\t") if "\t" in line else line.split())]
        if index == 0 and not _is_grade(columns[-1]):
            continue
        if len(columns) not in (3, 4):
            wrong = f"{counted(len(columns), 'column')}; expected query, document, grade (or TREC's four)"
            findings.add(Kind.UNREADABLE, f"{location}: {wrong}")
        elif not _is_grade(columns[-1]):
            findings.add(Kind.UNREADABLE, f"{location}: the grade {columns[-1]!r} is not a whole number")
        else:
            yield Judgement(location, columns[0], columns[-2], int(columns[-1]))


def _is_grade(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
