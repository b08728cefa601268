"""`rerank score`: offline scoring, JSON lines in and JSON lines out, in the input's order.

A line of input is a document: a JSON string, or an object with `text` and optionally `id` and its own `query`. A line
of output is `{"index", "id"?, "score"}`, or `{"index", "id"?, "error"}` for a line that cannot be scored, whether it is
invalid or the model fails on it; such a line does not affect the others. Results are flushed as they are written, and
`--skip-done` resumes an interrupted run and tries the failed lines again, provided that the sidecar beside the output
(`sidecar.py`) records the same job and the same documents.
"""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import msgspec
from tqdm import tqdm

from models.artefact import ArtefactError
from models.chunks import ChunkOptions
from models.wording import counted
from service.commands import sidecar
from service.commands.jsonl import Document, documents_of, earlier_results, in_utf8, put_in_order
from service.commands.line_scorer import LineScorer
from service.commands.output_lock import only_writer
from service.commands.refusal import Refusal
from service.commands.serve import open_model
from service.commands.settings_flags import settings_flags
from service.commands.sidecar import CountedLines, ScoringJob, Sidecar
from service.settings import SettingsError, load

CHUNK = 64
"""Documents scored at a time; an interrupted run loses at most this many."""
STDIO = "-"


class EarlierRun(NamedTuple):
    """The contents of an existing output file."""

    done: frozenset[int]
    """The indexes of the lines that have a score; a line with an error is tried again."""
    sidecar: Sidecar


@click.command()
@click.option("--query", "-q", help="Query for every line that has no `query` of its own.")
@click.option(
    "--documents",
    "-d",
    "source",
    default=STDIO,
    show_default=True,
    help="JSON lines file of documents, or - for stdin.",
)
@click.option("--output", "-o", default=STDIO, show_default=True, help="Output file, or - for stdout.")
@click.option(
    "--skip-done", is_flag=True, help="Resume an interrupted run that wrote --output, and retry the lines that failed."
)
@click.option("--raw-scores", is_flag=True, help="Write logits instead of relevance scores between 0 and 1.")
@click.option(
    "--max-chunks-per-doc",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Maximum chunks per long document, of which the best counts; 1 truncates it.",
)
@click.option(
    "--overlap-tokens",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Tokens shared by neighbouring chunks, at most half a chunk.",
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
    """Score documents offline: JSON lines in, JSON lines out.

    The exit code is 1 if a line could not be scored; its output line has the reason.
    """
    chunks = ChunkOptions(max_chunks_per_doc=max_chunks_per_doc, overlap_tokens=overlap_tokens)
    try:
        _check_query(query)
        with contextlib.ExitStack() as stack:
            stack.enter_context(only_writer(output) if output != STDIO else contextlib.nullcontext())
            earlier = _earlier_run(output, skip_done)
            lines = CountedLines(in_utf8(_input(source, stack), f"--documents {source}"))
            sink = _output(output, stack)
            scorer = stack.enter_context(LineScorer(open_model(load(flags)), chunks, raw_scores=raw_scores))
            job = _job(scorer, query)
            todo = _remaining(lines, job, Path(output), earlier) if earlier else documents_of(lines, query)
            keep_sidecar = _sidecar_writer(output, job, lines)
            failed = _score(scorer, todo, sink, keep_sidecar, total=_total(source, earlier))
            if earlier:
                put_in_order(Path(output))
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # the reader closed the pipe (`| head`)
    except OSError as error:
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from None
    if failed:
        raise click.ClickException(f"{counted(failed, 'line')} could not be scored; see the reason in the output")


def _check_query(query: str | None) -> None:
    """Raise SettingsError if the query was given in other bytes than UTF-8."""
    try:
        (query or "").encode()
    except UnicodeEncodeError:
        raise SettingsError("--query is not valid UTF-8: type it in a UTF-8 terminal, or add it to the lines") from None


def _job(scorer: LineScorer, query: str | None) -> ScoringJob:
    """Return the job as the output's sidecar records it."""
    artefact = scorer.model.artefact
    return ScoringJob(
        model=f"{artefact.manifest.name}@sha256:{artefact.sha256}",
        query=query,
        raw_scores=scorer.raw_scores,
        max_tokens=scorer.model.tokeniser.max_tokens,
        max_chunks_per_doc=scorer.chunks.max_chunks_per_doc,
        overlap_tokens=scorer.chunks.overlap_tokens,
    )


def _input(source: str, stack: contextlib.ExitStack) -> BinaryIO:
    if source == STDIO:
        if sys.stdin is None:
            raise SettingsError("stdin is closed: pass a file with --documents")
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(source).open("rb"))
    except OSError as error:
        raise SettingsError(f"--documents {source} cannot be read: {error.strerror}") from None


def _output(output: str, stack: contextlib.ExitStack) -> BinaryIO:
    if output == STDIO:
        if sys.stdout is None:
            raise SettingsError("stdout is closed: pass a file with --output")
        return sys.stdout.buffer
    path = Path(output)
    is_new = not path.exists()
    try:
        sink = stack.enter_context(path.open("ab"))
    except OSError as error:
        raise SettingsError(f"--output {output} cannot be written: {error.strerror}") from None
    if is_new:
        stack.push(lambda kind, *_: _remove_if_empty(path) if kind else None)
    return sink


def _remove_if_empty(output: Path) -> None:
    """Remove the output of a run that ended with an error before its first result."""
    with contextlib.suppress(OSError):
        if output.stat().st_size == 0:
            output.unlink()


def _total(source: str, earlier: EarlierRun | None) -> int | None:
    """Count the lines still to be scored; None if counting would consume them (a pipe can be read only once)."""
    if source == STDIO or not Path(source).is_file():
        return None
    with Path(source).open("rb") as file:
        return sum(1 for line in file if line.strip()) - (len(earlier.done) if earlier else 0)


def _earlier_run(output: str, skip_done: bool) -> EarlierRun | None:
    """Read the results of an earlier run and cut off a half-written last line; None if there are none."""
    path = Path(output)
    if output == STDIO and skip_done:
        raise SettingsError("--skip-done needs --output FILE, the file to resume")
    if output == STDIO or not path.is_file():  # it does not exist yet, or is a device such as /dev/null
        return None
    if path.stat().st_size == 0:  # left by a run that was refused
        return None
    if not skip_done:
        raise SettingsError(f"{output} exists: resume it with --skip-done, or delete it to start over")
    beside = sidecar.read(path)
    results = earlier_results(path)
    if max(results, default=-1) >= beside.documents.count:
        raise SettingsError(f"{output} has more lines than {sidecar.path_of(path).name} records: use another --output")
    return EarlierRun(frozenset(index for index, result in results.items() if result.error is None), beside)


def _remaining(lines: CountedLines, job: ScoringJob, output: Path, earlier: EarlierRun) -> Iterator[Document]:
    """Skip the lines that have a score; raise SettingsError if they come from another job or other documents."""
    sidecar.check_job(output, earlier.sidecar.job, job)
    before = earlier.sidecar.documents
    first = documents_of(itertools.islice(lines, before.count), job.query)
    missing = [document for document in first if document.index not in earlier.done]
    sidecar.check_documents(output, before, lines.so_far)
    yield from missing
    yield from documents_of(lines, job.query, start=before.count)


def _sidecar_writer(output: str, job: ScoringJob, lines: CountedLines) -> Callable[[], None]:
    """Return a function that writes the sidecar for the lines read so far; stdout and devices have none."""
    path = Path(output)
    if output == STDIO or not path.is_file():
        return lambda: None
    return lambda: sidecar.write(path, Sidecar(job=job, documents=lines.so_far))


def _score(
    scorer: LineScorer,
    todo: Iterable[Document],
    sink: BinaryIO,
    keep_sidecar: Callable[[], None],
    *,
    total: int | None,
) -> int:
    """Score the documents in groups of `CHUNK` and write each group when it is done; return how many failed."""
    failed = 0
    with tqdm(total=total, unit="doc", file=sys.stderr, disable=None) as progress:
        todo = iter(todo)
        while chunk := list(itertools.islice(todo, CHUNK)):
            results = scorer.results(chunk)
            keep_sidecar()  # written first, so that it covers every line of the output
            sink.write(msgspec.json.Encoder().encode_lines(results))
            sink.flush()
            failed += sum(result.error is not None for result in results)
            progress.update(len(chunk))
    return failed
