"""The JSON lines formats of `rerank score`: its input and its output."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from service.dialects.body import decode
from service.errors import RerankError
from service.settings import SettingsError


class InputLine(msgspec.Struct, kw_only=True):
    """A document as an object; a bare JSON string stands for an object with only a text."""

    text: str
    id: str | int | None = None
    query: str | None = None


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of output: the index of the input line, counted from 0, with its score or its error."""

    index: int
    id: str | int | None = None
    score: float | None = None
    error: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed line of input: a document with its query, or the reason why it cannot be scored."""

    index: int
    id: str | int | None = None
    query: str = ""
    text: str = ""
    error: str | None = None


def documents_of(lines: Iterable[bytes], query: str | None, start: int = 0) -> Iterator[Document]:
    """Parse the lines, numbered from `start`; skip blank ones. `query` applies to lines without their own."""
    for index, line in enumerate(lines, start):
        if line.strip():
            yield _document(index, line, query)


def earlier_results(path: Path) -> dict[int, Result]:
    """Read the results of an earlier run by index, and cut a half-written last line off the file.

    Raises:
        SettingsError: the file was not written by `rerank score`.
    """
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    try:
        results = [msgspec.json.decode(line, type=Result) for line in whole.splitlines()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} was not written by rerank score ({error}): use another --output") from None
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
        return Document(index=index, id=content.id, error="no query: pass --query, or add a query to the line")
    return Document(index=index, id=content.id, query=own_query, text=content.text)
