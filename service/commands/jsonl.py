"""The JSON lines formats of `rerank score`: its input and its output."""

import json
import shutil
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
    """The number of the line, counted from 0 as in the results; messages count lines from 1."""
    id: str | int | None = None
    query: str = ""
    text: str = ""
    error: str | None = None

    def failed(self, reason: str) -> Result:
        """Make the result of a line that cannot be scored."""
        return Result(index=self.index, id=self.id, error=f"line {self.index + 1}: {reason}")


COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "ZIP",
}
"""The first bytes of compressed files."""


def in_utf8(lines: Iterable[bytes], source: str) -> Iterator[bytes]:
    """Yield the lines of a file; raise SettingsError at the first one if it is compressed or in UTF-16 or UTF-32.

    JSON begins with an ASCII character, whose zero bytes tell these encodings apart (RFC 4627, section 3).
    """
    for number, line in enumerate(lines):
        packed = None if number else next((name for mark, name in COMPRESSED.items() if line.startswith(mark)), None)
        if packed is not None:
            raise SettingsError(f"{source} is compressed with {packed}: decompress it first")
        encoding = "utf-8" if number else json.detect_encoding(line)
        if not encoding.startswith("utf-8"):
            name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
            raise SettingsError(f"{source} is in {name}, not in UTF-8: convert it with iconv -f {name} -t UTF-8")
        yield line


def documents_of(lines: Iterable[bytes], query: str | None, start: int = 0) -> Iterator[Document]:
    """Parse the lines, numbered from `start`; skip blank ones. `query` applies to lines without their own."""
    for index, line in enumerate(lines, start):
        if line.strip():
            yield _document(index, line, query)


def earlier_results(path: Path) -> dict[int, Result]:
    """Read the results of an earlier run by index, and cut a half-written last line off the file.

    A line that was scored again has several results, of which the last counts.

    Raises:
        SettingsError: the file was not written by `rerank score`.
    """
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    results = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            result = msgspec.json.decode(line, type=Result)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = f"line {number}: {error}"
            raise SettingsError(f"{path} was not written by rerank score ({why}): use another --output") from None
        results[result.index] = result
    with path.open("r+b") as file:
        file.truncate(len(whole))
    return results


def put_in_order(path: Path) -> None:
    """Keep the last result of each line and put them in the order of the lines; the file is replaced atomically."""
    path = path.resolve()  # a link stays one
    lines = path.read_bytes().splitlines(keepends=True)
    last = {msgspec.json.decode(line, type=Result).index: line for line in lines}
    ordered = [last[index] for index in sorted(last)]
    if ordered != lines:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(b"".join(ordered))
        shutil.copymode(path, partial)
        partial.replace(path)


def _document(index: int, line: bytes, query: str | None) -> Document:
    try:
        content: str | InputLine = decode(line, str | InputLine)
    except RerankError as error:
        reason = error.message.replace("the body", "the line").replace("(line 1, column", "(column")
        return Document(index=index, error=reason)
    content = InputLine(text=content) if isinstance(content, str) else content
    own_query = query if content.query is None else content.query
    if own_query is None or not own_query.strip():
        return Document(index=index, id=content.id, error="no query: pass --query, or add a query to the line")
    return Document(index=index, id=content.id, query=own_query, text=content.text)
