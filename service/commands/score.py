"""`rerank score`: offline scoring, JSON lines in and JSON lines out, in the input's order.

A line of input is a document: a JSON string, or an object with `text` and optionally `id` and its own `query`. A line
of output is `{"index", "id"?, "score"}`, or `{"index", "id"?, "error"}` for a line that cannot be scored; an invalid
line does not affect the others. Results are flushed as they are written, and `--skip-done` resumes an interrupted run,
provided that the sidecar beside the output (`sidecar.py`) records the same job and the same documents.
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
from models.chunks import ChunkOptions, best_chunks
from models.scorer import Scorer, sigmoid
from service.commands import sidecar
from service.commands.jsonl import Document, Result, documents_of, earlier_results
from service.commands.refusal import Refusal
from service.commands.serve import open_model
from service.commands.settings_flags import settings_flags
from service.commands.sidecar import CountedLines, ScoringJob, Sidecar
from service.settings import SettingsError, load

CHUNK = 64
"""Documents scored at a time; an interrupted run loses at most this many."""
STDIO = "-"


class Scoring(NamedTuple):
    """How documents are scored."""

    scorer: Scorer
    chunks: ChunkOptions
    raw_scores: bool

    def job(self, query: str | None) -> ScoringJob:
        """Return the job as the output's sidecar records it."""
        artefact = self.scorer.model.artefact
        return ScoringJob(
            model=f"{artefact.manifest.name}@sha256:{artefact.sha256}",
            query=query,
            raw_scores=self.raw_scores,
            max_tokens=self.scorer.tokeniser.max_tokens,
            max_chunks_per_doc=self.chunks.max_chunks_per_doc,
            overlap_tokens=self.chunks.overlap_tokens,
        )


class EarlierRun(NamedTuple):
    """The contents of an existing output file."""

    results: dict[int, Result]
    """The results by line index."""
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
@click.option("--skip-done", is_flag=True, help="Resume an interrupted run that wrote --output.")
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
    """Score documents offline: JSON lines in, JSON lines out."""
    chunks = ChunkOptions(max_chunks_per_doc=max_chunks_per_doc, overlap_tokens=overlap_tokens)
    try:
        earlier = _earlier_run(output, skip_done)
        done = earlier.results if earlier else {}
        with contextlib.ExitStack() as stack:
            lines = CountedLines(_input(source, stack))
            sink = _output(output, stack)
            scorer = stack.enter_context(Scorer(open_model(load(flags))))
            scoring = Scoring(scorer, chunks, raw_scores)
            job = scoring.job(query)
            todo = _remaining(lines, job, Path(output), earlier) if earlier else documents_of(lines, query)
            keep_sidecar = _sidecar_writer(output, job, lines)
            failed = _score(scoring, todo, sink, keep_sidecar, total=_total(source, done))
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    except BrokenPipeError:
        raise SystemExit(0) from None  # the reader closed the pipe (`| head`)
    except OSError as error:
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from None
    failed += sum(result.error is not None for result in done.values())
    if failed:
        raise click.ClickException(f"{failed} lines could not be scored; their output lines give the reason")


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
    try:
        return stack.enter_context(Path(output).open("ab"))
    except OSError as error:
        raise SettingsError(f"--output {output} cannot be written: {error.strerror}") from None


def _total(source: str, done: dict[int, Result]) -> int | None:
    """Count the lines still to be scored; None if counting would consume them (a pipe can be read only once)."""
    if source == STDIO or not Path(source).is_file():
        return None
    with Path(source).open("rb") as file:
        return sum(1 for line in file if line.strip()) - len(done)


def _earlier_run(output: str, skip_done: bool) -> EarlierRun | None:
    """Read the results of an earlier run and cut off a half-written last line; None if there are none."""
    path = Path(output)
    if output == STDIO and skip_done:
        raise SettingsError("--skip-done needs --output FILE, the file to resume")
    if output == STDIO or not path.is_file():  # it does not exist yet, or is a device such as /dev/null
        return None
    if not skip_done:
        raise SettingsError(f"{output} exists: resume it with --skip-done, or delete it to start over")
    if path.stat().st_size == 0:
        return None
    beside = sidecar.read(path)
    results = earlier_results(path)
    if max(results, default=-1) >= beside.documents.count:
        raise SettingsError(f"{output} has more lines than {sidecar.path_of(path).name} records: use another --output")
    return EarlierRun(results, beside)


def _remaining(lines: CountedLines, job: ScoringJob, output: Path, earlier: EarlierRun) -> Iterator[Document]:
    """Skip the lines that are done; raise SettingsError if they come from another job or other documents."""
    sidecar.check_job(output, earlier.sidecar.job, job)
    before = earlier.sidecar.documents
    first = documents_of(itertools.islice(lines, before.count), job.query)
    missing = [document for document in first if document.index not in earlier.results]
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
    scoring: Scoring,
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
            results = _results(scoring, chunk)
            keep_sidecar()  # written first, so that it covers every line of the output
            sink.write(msgspec.json.Encoder().encode_lines(results))
            sink.flush()
            failed += sum(result.error is not None for result in results)
            progress.update(len(chunk))
    return failed


def _results(scoring: Scoring, chunk: list[Document]) -> list[Result]:
    """Score a group of documents together, whatever their queries; return a result for each, errors included."""
    good = [document for document in chunk if document.error is None]
    pairs, counts = [], []
    for query, run in itertools.groupby(good, key=lambda document: document.query):
        chunked = scoring.scorer.tokeniser.chunked_pairs(query, [document.text for document in run], scoring.chunks)
        pairs += chunked.pairs
        counts += chunked.counts
    logits = best_chunks(scoring.scorer.run(pairs), counts)
    scores = iter(logits if scoring.raw_scores else sigmoid(logits))
    return [
        Result(index=document.index, id=document.id, error=document.error)
        if document.error is not None
        else Result(index=document.index, id=document.id, score=float(next(scores)))
        for document in chunk
    ]
