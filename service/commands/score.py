"""`rerank score`: offline scoring, JSON lines in and JSON lines out, in the input's order.

A line of input is a document: a JSON string, or an object with `text` and, if wanted, `id` and a `query` of its own. A
line of output is `{"index", "id"?, "score"}`, or `{"index", "id"?, "error"}` for a line that cannot be scored: one bad
line costs no other. Output is written and flushed as it is made, and `--skip-done` goes on where a broken run ended.
"""

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from tqdm import tqdm

from models.artefact import ArtefactError
from models.scorer import Scorer
from service.commands.serve import open_scorer
from service.commands.settings_flags import settings_flags
from service.dialects.body import decode
from service.errors import RerankError
from service.settings import SettingsError, load

CHUNK = 64
"""Documents scored at a time: what a broken run loses at most."""
STDIO = "-"


class Line(msgspec.Struct, kw_only=True):
    """A document as a line of input gives it."""

    text: str
    id: str | int | None = None
    query: str | None = None


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of output: the input line's number, counted from 0, with its score or its error."""

    index: int
    id: str | int | None = None
    score: float | None = None
    error: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """A line of input that was read: a document with its query, or why it cannot be scored."""

    index: int
    id: str | int | None
    query: str
    text: str
    error: str | None = None


@click.command()
@click.option("--query", "-q", help="The query; a line's own `query` wins over it.")
@click.option(
    "--documents", "-d", default=STDIO, show_default=True, help="JSON lines to score: a file, or - for stdin."
)
@click.option("--output", "-o", default=STDIO, show_default=True, help="Where to write: a file, or - for stdout.")
@click.option("--skip-done", is_flag=True, help="Go on with an --output file that a broken run left.")
@click.option("--raw-scores", is_flag=True, help="Write logits rather than relevance scores between 0 and 1.")
@settings_flags("model", "models_dir", "device", "threads", "max_tokens")
def score(
    query: str | None, documents: str, output: str, skip_done: bool, raw_scores: bool, **flags: str | None
) -> None:
    """Score documents offline: JSON lines in, JSON lines out."""
    try:
        done = _done(output, skip_done)
        with contextlib.ExitStack() as stack:
            source = _source(documents, stack)
            scorer = stack.enter_context(open_scorer(load(flags)))
            sink = stack.enter_context(Path(output).open("ab")) if output != STDIO else sys.stdout.buffer
            failed = _score(scorer, _entries(source, query, done), sink, raw_scores, total=_total(documents, done))
    except (SettingsError, ArtefactError) as error:
        raise click.UsageError(str(error)) from None
    if failed:
        raise click.ClickException(f"{failed} lines could not be scored: their output lines say why")


def _source(documents: str, stack: contextlib.ExitStack) -> BinaryIO:
    if documents == STDIO:
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(documents).open("rb"))
    except OSError as error:
        raise SettingsError(f"--documents {documents} cannot be read: {error.strerror}") from None


def _total(documents: str, done: dict[int, str | int | None]) -> int | None:
    """Count the lines still to be scored, where they can be counted before they are read."""
    if documents == STDIO:
        return None
    with Path(documents).open("rb") as file:
        return sum(1 for _ in file) - len(done)


def _done(output: str, skip_done: bool) -> dict[int, str | int | None]:
    """Read which lines an earlier run finished, by index; cut off a half-written last line."""
    if output == STDIO:
        if skip_done:
            raise SettingsError("--skip-done needs --output FILE: it goes on with that file")
        return {}
    path = Path(output)
    if not path.exists():
        return {}
    if not skip_done:
        raise SettingsError(f"{output} exists: --skip-done goes on with it; to start anew, delete it first")
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    try:
        results = [msgspec.json.decode(line, type=Result) for line in whole.splitlines()]
    except msgspec.DecodeError as error:
        raise SettingsError(f"{output} was not written by rerank score ({error}): give another --output") from None
    with path.open("r+b") as file:
        file.truncate(len(whole))
    return {result.index: result.id for result in results}


def _entries(source: Iterable[bytes], query: str | None, done: dict[int, str | int | None]) -> Iterator[Entry]:
    """Read the lines that are not done yet; raise SettingsError if the done ones are of another input."""
    for index, line in enumerate(source):
        entry = _entry(index, line, query)
        if index not in done:
            yield entry
        elif done[index] != entry.id:
            raise SettingsError(
                f"line {index} of the documents has the id {entry.id!r}, the output file has {done[index]!r} there: "
                "it belongs to other documents"
            )


def _entry(index: int, line: bytes, query: str | None) -> Entry:
    try:
        read: str | Line = decode(line, str | Line)
    except RerankError as error:
        return Entry(index, None, "", "", error.message)
    read = Line(text=read) if isinstance(read, str) else read
    wanted = query if read.query is None else read.query
    if wanted is None or not wanted.strip():
        return Entry(index, read.id, "", "", "no query: pass --query, or give the line one")
    return Entry(index, read.id, wanted, read.text)


def _score(scorer: Scorer, entries: Iterable[Entry], sink: BinaryIO, raw_scores: bool, *, total: int | None) -> int:
    """Score entries chunk by chunk and write each chunk when it is done; return how many failed."""
    failed = 0
    with tqdm(total=total, unit="doc", file=sys.stderr, disable=None) as progress:
        for chunk in _chunks(entries):
            good = [entry for entry in chunk if entry.error is None]
            function = scorer.logits if raw_scores else scorer.scores
            scores = iter(function(good[0].query, [entry.text for entry in good]) if good else ())
            results = [
                Result(index=entry.index, id=entry.id, error=entry.error)
                if entry.error is not None
                else Result(index=entry.index, id=entry.id, score=float(next(scores)))
                for entry in chunk
            ]
            sink.write(msgspec.json.Encoder().encode_lines(results))
            sink.flush()
            failed += len(chunk) - len(good)
            progress.update(len(chunk))
    return failed


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cut runs of entries that share a query, and runs of bad ones, into chunks."""
    for _, run in itertools.groupby(entries, key=lambda entry: (entry.error is None, entry.query)):
        while chunk := list(itertools.islice(run, CHUNK)):
            yield chunk
