"""`rerank score`: offline scoring, JSON lines in and JSON lines out, in the input's order.

A line of input is a document: a JSON string, or an object with `text` and, if wanted, `id` and a `query` of its own. A
line of output is `{"index", "id"?, "score"}`, or `{"index", "id"?, "error"}` for a line that cannot be scored: one bad
line costs no other. Output is written and flushed as it is made, and `--skip-done` goes on where a broken run ended.
"""

import contextlib
import heapq
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import msgspec
from tqdm import tqdm

from models.artefact import ArtefactError
from models.chunks import ChunkOptions, best_chunks
from models.scorer import Scorer, sigmoid
from service.commands.jsonl import Document, Result, documents_of, earlier_results
from service.commands.refusal import Refusal
from service.commands.serve import open_scorer
from service.commands.settings_flags import settings_flags
from service.settings import SettingsError, load

CHUNK = 64
"""Documents scored at a time: what a broken run loses at most."""
STDIO = "-"
TOLERANCE = 1e-3
"""How far the score of an earlier run may be from this run's for the two to be of one kind (other CPUs round apart)."""
PROBES = 8
"""Longest documents of an earlier run that are scored again: only long ones tell other windows apart."""


class _Way(NamedTuple):
    """How documents are scored; the lines of one output file must all be scored in one way."""

    scorer: Scorer
    windows: ChunkOptions
    raw_scores: bool


@click.command()
@click.option("--query", "-q", help="The query; a line's own `query` wins over it.")
@click.option("--documents", "-d", "source", default=STDIO, show_default=True, help="JSON lines: a file or -, stdin.")
@click.option("--output", "-o", default=STDIO, show_default=True, help="Where to write: a file or -, stdout.")
@click.option("--skip-done", is_flag=True, help="Go on with an --output file that a broken run left.")
@click.option("--raw-scores", is_flag=True, help="Write logits rather than relevance scores between 0 and 1.")
@click.option(
    "--max-chunks-per-doc",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Read a long document in up to so many windows; the best one counts. 1 cuts its end off.",
)
@click.option(
    "--overlap-tokens",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Tokens that a window shares with the one before it, at most half of what the query leaves of the window.",
)
@settings_flags("model", "precision", "models_dir", "device", "threads", "max_tokens")
def score(
    query: str | None,
    source: str,
    output: str,
    skip_done: bool,
    raw_scores: bool,
    max_chunks_per_doc: int,
    overlap_tokens: int,
    **flags: str | None,
) -> None:
    """Score documents offline: JSON lines in, JSON lines out."""
    windows = ChunkOptions(max_chunks_per_doc=max_chunks_per_doc, overlap_tokens=overlap_tokens)
    try:
        done = _done(output, skip_done)
        with contextlib.ExitStack() as stack:
            lines = _input(source, stack)
            sink = _output(output, stack)
            scorer = stack.enter_context(open_scorer(load(flags)))
            way = _Way(scorer, windows, raw_scores)
            todo = _todo(way, documents_of(lines, query), done)
            failed = _score(way, todo, sink, total=_total(source, done))
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # the reader has had enough (`| head`)
    except OSError as error:
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from None
    failed += sum(result.error is not None for result in done.values())
    if failed:
        raise click.ClickException(f"{failed} lines could not be scored: their output lines say why")


def _input(source: str, stack: contextlib.ExitStack) -> BinaryIO:
    if source == STDIO:
        if sys.stdin is None:
            raise SettingsError("stdin is closed: name a file with --documents")
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(source).open("rb"))
    except OSError as error:
        raise SettingsError(f"--documents {source} cannot be read: {error.strerror}") from None


def _output(output: str, stack: contextlib.ExitStack) -> BinaryIO:
    if output == STDIO:
        if sys.stdout is None:
            raise SettingsError("stdout is closed: name a file with --output")
        return sys.stdout.buffer
    try:
        return stack.enter_context(Path(output).open("ab"))
    except OSError as error:
        raise SettingsError(f"--output {output} cannot be written: {error.strerror}") from None


def _total(source: str, done: dict[int, Result]) -> int | None:
    """Count the lines still to be scored, where counting does not eat them up (a pipe is read once)."""
    if source == STDIO or not Path(source).is_file():
        return None
    with Path(source).open("rb") as file:
        return sum(1 for line in file if line.strip()) - len(done)


def _done(output: str, skip_done: bool) -> dict[int, Result]:
    """Read what an earlier run finished, by the line's index; cut off a half-written last line."""
    if output == STDIO:
        if skip_done:
            raise SettingsError("--skip-done needs --output FILE: it goes on with that file")
        return {}
    path = Path(output)
    if not path.is_file():  # nothing there yet, or a device such as /dev/null
        return {}
    if not skip_done:
        raise SettingsError(f"{output} exists: --skip-done goes on with it; to start anew, delete it first")
    return earlier_results(path)


def _todo(way: _Way, documents: Iterable[Document], done: dict[int, Result]) -> Iterator[Document]:
    """Pass over what is done; raise SettingsError if that was made of other documents or in another way.

    Ids must agree, and the last line that was scored and the longest ones are scored again and must come to the same.
    """
    last = max((index for index, result in done.items() if result.score is not None), default=None)
    missing = set(done)
    probes: list[Document] = []
    for document in documents:
        earlier = done.get(document.index)
        if earlier is None:
            yield document
            continue
        missing.discard(document.index)
        if earlier.id != document.id:
            raise SettingsError(
                f"line {document.index} of the documents has the id {document.id!r}, "
                f"the output file has {earlier.id!r} there: it belongs to other documents"
            )
        if document.index == last:
            for probe in [*probes, document]:
                _check_same(done[probe.index], _results(way, [probe])[0])
        if earlier.score is not None:
            probes = heapq.nlargest(PROBES, [*probes, document], key=lambda probe: len(probe.text))
    if missing:
        raise SettingsError(f"the output file has line {max(missing)}, the documents do not: it belongs to others")


def _check_same(earlier: Result, now: Result) -> None:
    if earlier.score is None or now.score is None or abs(earlier.score - now.score) > TOLERANCE:
        raise SettingsError(
            f"line {now.index} has the score {now.score} now and {earlier.score} in the output file: "
            "that was made with another query, model, kind of score or windows, or of other documents"
        )


def _score(way: _Way, todo: Iterable[Document], sink: BinaryIO, *, total: int | None) -> int:
    """Score documents chunk by chunk and write each chunk when it is done; return how many failed."""
    failed = 0
    with tqdm(total=total, unit="doc", file=sys.stderr, disable=None) as progress:
        todo = iter(todo)
        while chunk := list(itertools.islice(todo, CHUNK)):
            results = _results(way, chunk)
            sink.write(msgspec.json.Encoder().encode_lines(results))
            sink.flush()
            failed += sum(result.error is not None for result in results)
            progress.update(len(chunk))
    return failed


def _results(way: _Way, chunk: list[Document]) -> list[Result]:
    """Score the good documents of a chunk together, whatever their queries; give each its line of output."""
    good = [document for document in chunk if document.error is None]
    pairs, counts = [], []
    for query, run in itertools.groupby(good, key=lambda document: document.query):
        windowed = way.scorer.tokeniser.chunked_pairs(query, [document.text for document in run], way.windows)
        pairs += windowed.pairs
        counts += windowed.counts
    logits = best_chunks(way.scorer.run(pairs), counts)
    scores = iter(logits if way.raw_scores else sigmoid(logits))
    return [
        Result(index=document.index, id=document.id, error=document.error)
        if document.error is not None
        else Result(index=document.index, id=document.id, score=float(next(scores)))
        for document in chunk
    ]
