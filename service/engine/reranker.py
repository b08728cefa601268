"""The spine: a Job becomes tokens, logits, a Ranking. `Reranker.rerank` reads from top to bottom.

Tokenising runs in threads of its own, off the event loop and overlapped with the model. A document has the logit of its
best window. Ranking is by logit, highest first, ties by the index in the request; scores are the sigmoid of the logit
in float32 unless the client asked for raw. `score` is the same for pairs of several queries, which are not ordered.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.chunks import ChunkedPairs, ChunkOptions, TooLong, TooManyChunks, best_chunks
from models.pair import Logits, Pair
from models.scorer import sigmoid
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions, Scored
from service.engine.scheduler import QUANTUM_TOKENS
from service.engine.score_cache import ScoreCache
from service.engine.token_estimate import TokenEstimator
from service.errors import InvalidRequest, ModelFailed, NotReady, Overloaded, TooManyDocuments, UnknownModel
from service.job import Job, Ranked, Ranking, Stages, Usage

TOKENISE_THREADS = 2
"""Requests tokenised at a time, of small ones and of large ones; the tokenizer itself spreads one over the cores."""
SMALL_TOKENS = QUANTUM_TOKENS
"""What a small request has at most, by its estimate: it does not wait until large ones are tokenised."""
PAIRS_PER_SEARCH_UNIT = 100
"""Cohere bills one search unit for a query with up to 100 documents, and counts a long document's chunks apart."""


class Read(NamedTuple):
    """A request after tokenising."""

    windowed: ChunkedPairs
    """Of its different documents."""
    places: npt.NDArray[np.int64]
    """Of each of its documents among those, [documents]."""
    tokens: int
    """Of all its documents' windows, those that occur twice counted twice."""
    search_units: int


class Tokenise(Protocol):
    """The tokeniser: a query and documents to pairs, or TooManyChunks."""

    def __call__(
        self, query: str, documents: Sequence[str], windows: ChunkOptions, *, max_pairs: int | None
    ) -> ChunkedPairs:
        """Pair the query with each window of each document."""


class Reranker:
    """One model behind one queue, with the limits on what a request may be."""

    def __init__(
        self,
        tokenise: Tokenise,
        batcher: Batcher,
        *,
        max_documents: int,
        max_concurrent_requests: int,
        max_tokens: int = 8192,
        models: Collection[str] | None = None,
        usd_per_million_tokens: float | None = None,
        scores: ScoreCache | None = None,
    ) -> None:
        """Put a model behind a queue.

        Args:
            tokenise: queries and documents to pairs.
            batcher: the queue, not yet started.
            max_documents: windows of all documents that a request may have.
            max_concurrent_requests: requests in the house at a time.
            max_tokens: the window of a pair.
            models: the names by which the model may be asked for; None for any.
            usd_per_million_tokens: the price to tell; None for none.
            scores: remembers logits; None for none.
        """
        self._tokenise = tokenise
        self._batcher = batcher
        self._max_documents = max_documents
        self._max_concurrent_requests = max_concurrent_requests
        self._models = models
        self._usd_per_million_tokens = usd_per_million_tokens
        self._scores = scores
        self._estimate = TokenEstimator(max_tokens)
        self._for_small = ThreadPoolExecutor(TOKENISE_THREADS, thread_name_prefix="tokenise-small")
        self._for_large = ThreadPoolExecutor(TOKENISE_THREADS, thread_name_prefix="tokenise-large")
        self.in_flight = 0
        self.ready = False

    def open(self) -> None:
        """Start the lanes; requests are taken from now on."""
        self._batcher.start()
        self.ready = True

    def close(self) -> None:
        """Take no more requests, finish those that are queued, end every thread."""
        self.ready = False
        self._batcher.close()
        self._for_small.shutdown()
        self._for_large.shutdown()

    async def rerank(self, job: Job, options: CallOptions | None = None) -> Ranking:
        """Answer a job: its documents ranked, best first.

        Raises:
            NotReady: the model is not warmed up, or the server is going down.
            UnknownModel: another model is asked for, and this server is strict about that.
            InvalidRequest: too many documents, or too many windows of them, or one too long where none may be cut.
            Overloaded: too many requests in flight, no room in the queue, or no answer before the deadline.
            DeadlineExceeded: the deadline passed in the queue.
            ModelFailed: the model failed on one of the job's pairs.
        """
        ranked = functools.partial(rank, top_n=job.top_n, raw_scores=job.raw_scores)
        return await self._answer([job], options or CallOptions(), ranked)

    async def score(self, jobs: Sequence[Job], options: CallOptions | None = None) -> Ranking:
        """Answer several jobs at once, all or none: a score for each document, in their order; raises as `rerank`."""
        return await self._answer(
            jobs, options or CallOptions(), functools.partial(in_order, raw_scores=jobs[0].raw_scores)
        )

    async def _answer(
        self, jobs: Sequence[Job], options: CallOptions, results: Callable[[Logits], list[Ranked]]
    ) -> Ranking:
        with self._admitted(jobs):
            start = time.perf_counter()
            estimate = self._estimate.tokens(jobs)
            self._batcher.refuse_early(estimate, options)
            threads = self._for_small if estimate <= SMALL_TOKENS else self._for_large
            read = await asyncio.get_running_loop().run_in_executor(threads, self._read, jobs)
            self._estimate.learn(jobs, read.tokens)
            tokenised = time.perf_counter()
            scored = await self._score(read, options)
            ranked = results(best_chunks(scored.logits, read.windowed.counts)[read.places])
            stages = Stages(
                tokenise_s=tokenised - start,
                queue_s=scored.queue_s,
                inference_s=scored.inference_s,
                total_s=time.perf_counter() - start,
            )
            usage = Usage(tokens=read.tokens, search_units=read.search_units, usd=self._price(read.tokens))
            return Ranking(results=ranked, usage=usage, stages=stages)

    def _read(self, jobs: Sequence[Job]) -> Read:
        """Tokenise all jobs, a document that occurs twice once; a window costs what a document costs, so as many are
        taken.
        """
        pairs: list[Pair] = []
        counts: list[int] = []
        places: list[int] = []
        tokens = search_units = windows = 0
        for job in jobs:
            different = dict.fromkeys(job.documents)
            made = self._windows_of(job, list(different), max_pairs=self._max_documents - windows, first=len(places))
            costs = [sum(map(len, of_document)) for of_document in made.by_document()]
            at = {document: number for number, document in enumerate(different)}
            own = [at[document] for document in job.documents]
            of_job = sum(made.counts[place] for place in own)
            windows += of_job
            if windows > self._max_documents:
                raise self._too_many_windows(windows, job)
            tokens += sum(costs[place] for place in own)
            search_units += -(-of_job // PAIRS_PER_SEARCH_UNIT)
            places += [len(counts) + place for place in own]
            pairs += made.pairs
            counts += made.counts
        return Read(ChunkedPairs(pairs, counts), np.array(places, np.int64), tokens, search_units)

    def _windows_of(self, job: Job, documents: list[str], *, max_pairs: int, first: int) -> ChunkedPairs:
        """Tokenise one job's different documents; `first` is the index of its first document in the request."""
        windows = ChunkOptions(
            max_chunks_per_doc=job.max_chunks_per_doc,
            overlap_tokens=job.overlap_tokens,
            max_tokens_per_doc=job.max_tokens_per_doc,
            truncation_side=job.truncation_side,
            truncate=job.truncate,
        )
        try:
            return self._tokenise(job.query, documents, windows, max_pairs=max_pairs)
        except TooManyChunks as error:
            raise self._too_many_windows(error.count, job) from None
        except TooLong as error:
            place = None if error.document is None else first + job.documents.index(documents[error.document])
            which = "the query" if place is None else f"the document with index {place}"
            raise InvalidRequest(
                f"{which} does not fit the model's window beside the other text, and the request forbids to cut it"
            ) from None

    def _too_many_windows(self, count: int, job: Job) -> InvalidRequest:
        return InvalidRequest(
            f"documents come to {count} windows or more with max_chunks_per_doc {job.max_chunks_per_doc}, "
            f"more than the {self._max_documents} that this server takes in one request: lower "
            "max_chunks_per_doc, or send the documents in several requests",
            param="max_chunks_per_doc",
        )

    async def _score(self, read: Read, options: CallOptions) -> Scored:
        """Score all windows that the cache does not know; tell a failure by its document."""
        try:
            if self._scores is None:
                return await self._batcher.score(read.windowed.pairs, options)
            return await self._scores.score(read.windowed.pairs, lambda pairs: self._batcher.score(pairs, options))
        except ModelFailed as error:
            document = int(np.flatnonzero(read.places == read.windowed.document(error.pair))[0])
            raise ModelFailed(f"the model failed on the document with index {document}", pair=error.pair) from None

    def _price(self, tokens: int) -> float | None:
        price = self._usd_per_million_tokens
        return None if price is None else tokens * price / 1_000_000

    @contextmanager
    def _admitted(self, jobs: Sequence[Job]) -> Iterator[None]:
        if not self.ready:
            raise NotReady("the model is still warming up: GET /ready tells when it is not", retry_after_s=1)
        self._check_model(jobs[0].model)
        documents = sum(len(job.documents) for job in jobs)
        if documents > self._max_documents:
            raise TooManyDocuments(documents, self._max_documents)
        if self.in_flight >= self._max_concurrent_requests:
            raise Overloaded(
                f"{self.in_flight} requests are being answered, as many as this server takes at a time: try later",
                retry_after_s=1,
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def _check_model(self, model: str | None) -> None:
        if model and self._models is not None and model not in self._models:
            raise UnknownModel(model, self._models)


def rank(logits: Logits, *, top_n: int | None, raw_scores: bool) -> list[Ranked]:
    """Order documents by logit, highest first, equal logits by index; give the first `top_n`."""
    scores = logits if raw_scores else sigmoid(logits)
    order = np.argsort(-logits, kind="stable")[:top_n]
    return [Ranked(int(index), float(scores[index])) for index in order]


def in_order(logits: Logits, *, raw_scores: bool) -> list[Ranked]:
    """Score documents in their own order."""
    scores = logits if raw_scores else sigmoid(logits)
    return [Ranked(index, float(score)) for index, score in enumerate(scores)]
