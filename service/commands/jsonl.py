"""The JSON lines of `rerank score`: what a line of input may be, and what a line of output is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from service.dialects.body import decode
from service.errors import RerankError
from service.settings import SettingsError


class InputLine(msgspec.Struct, kw_only=True):
    """A document as an object; a bare JSON string is one with a text alone."""

    text: str
    id: str | int | None = None
    query: str | None = None


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of output: the input line's number, counted from 0, with its score or its error."""

    index: int
    id: str | int | None = None
    score: float | None = None
    error: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A line of input that was read: a document with its query, or why it cannot be scored."""

    index: int
    id: str | int | None = None
    query: str = ""
    text: str = ""
    error: str | None = None


def documents_of(lines: Iterable[bytes], query: str | None, start: int = 0) -> Iterator[Document]:
    """Read the lines, each numbered from `start`; blank ones are passed over. `query` is for lines without one."""
    for index, line in enumerate(lines, start):
        if line.strip():
            yield _document(index, line, query)


def earlier_results(path: Path) -> dict[int, Result]:
    """Read what an earlier run wrote, by index, and cut a half-written last line off the file.

    Raises:
        SettingsError: the file holds something else.
    """
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    try:
        results = [msgspec.json.decode(line, type=Result) for line in whole.splitlines()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} was not written by rerank score ({error}): give another --output") from None
    with path.open("r+b") as file:
        file.truncate(len(whole))
    return {result.index: result for result in results}


def _document(index: int, line: bytes, query: str | None) -> Document:
    try:
        content: str | InputLine = decode(line, str | InputLine)
    except RerankError as error:
        return Document(index=index, error=error.message.replace("the body", "the line"))
    content = InputLine(text=content) if isinstance(content, str) else content
    own_query = query if content.query is None else content.query
    if own_query is None or not own_query.strip():
        return Document(index=index, id=content.id, error="no query: pass --query, or give the line one")
    return Document(index=index, id=content.id, query=own_query, text=content.text)
