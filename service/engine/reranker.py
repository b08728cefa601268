"""The path of a request: a Job becomes tokens, logits, a Ranking. `Reranker._answer` reads from top to bottom.

Tokenising runs in threads of its own, off the event loop and overlapped with the model. A document has the logit of its
best chunk. Ranking is by logit, highest first, ties by the index in the request; scores are the sigmoid of the logit
in float32 unless the client asked for logits. `score` is the same for pairs of several queries, which are not ordered.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.chunks import ChunkedPairs, ChunkOptions, TooLong, TooManyChunks, best_chunks
from models.pair import Logits, Pair
from models.scorer import sigmoid
from service.engine.admission import ConcurrencyLimit
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions, Scored
from service.engine.scheduler import QUANTUM_TOKENS
from service.engine.score_cache import ScoreCache
from service.engine.token_estimate import TokenEstimator
from service.errors import InvalidRequest, ModelFailed, TooManyDocuments, UnknownModel, WarmingUp
from service.job import Job, Ranked, Ranking, Stages, Usage

TOKENISE_THREADS = 2
"""Requests tokenised at a time, as many small and as many large ones; the tokenizer spreads each over the cores."""
SMALL_TOKENS = QUANTUM_TOKENS
"""The most tokens of a small request, by its estimate: it does not wait until large ones are tokenised."""
PAIRS_PER_SEARCH_UNIT = 100
"""Cohere bills one search unit for a query with up to 100 documents, and counts a long document's chunks apart."""


class TokenizedRequest(NamedTuple):
    """A request after tokenising."""

    chunked: ChunkedPairs
    """The pairs of its distinct documents: a document that occurs twice is scored once."""
    distinct_index: npt.NDArray[np.int64]
    """For each document of the request, its index among the distinct ones, [documents]."""
    tokens: int
    """Length of all documents' pairs, repeated ones counted again."""
    search_units: int


class Tokenise(Protocol):
    """The tokeniser: a query and documents to pairs."""

    def __call__(
        self, query: str, documents: Sequence[str], chunk_options: ChunkOptions, /, *, max_pairs: int | None
    ) -> ChunkedPairs:
        """Pair the query with each chunk of each document; raise TooManyChunks or TooLong."""


class Reranker:
    """One model behind one queue, with the limits on the size and the number of requests."""

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
            max_documents: the most documents of a request, each chunk of a long one counted.
            max_concurrent_requests: the most requests that are answered at a time.
            max_tokens: the most tokens that a pair may have.
            models: the names that a request may give the model; None for any.
            usd_per_million_tokens: the price by which the cost is reported; None for no price.
            scores: the cache of logits; None for none.
        """
        self._tokenise = tokenise
        self._batcher = batcher
        self._max_documents = max_documents
        self._concurrency = ConcurrencyLimit(max_concurrent_requests)
        self._models = models
        self._usd_per_million_tokens = usd_per_million_tokens
        self._scores = scores
        self._estimator = TokenEstimator(max_tokens)
        self._for_small = ThreadPoolExecutor(TOKENISE_THREADS, thread_name_prefix="tokenise-small")
        self._for_large = ThreadPoolExecutor(TOKENISE_THREADS, thread_name_prefix="tokenise-large")
        self.ready = False

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._concurrency.in_flight

    def open(self) -> None:
        """Start the inference threads; requests are taken from now on."""
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
            WarmingUp, ShuttingDown: the model is not warmed up yet, or the server is going down.
            UnknownModel: the request names another model, and this server is strict about that.
            InvalidRequest: too many documents, or too many chunks of them, or one too long where none may be cut.
            Overloaded: too many requests in flight, no room in the queue, or no answer before the deadline.
            DeadlineExceeded: the deadline passed in the queue.
            ModelFailed: the model failed on one of the job's pairs.
        """
        to_results = functools.partial(rank, top_n=job.top_n, raw_scores=job.raw_scores)
        return await self._answer([job], options or CallOptions(), to_results)

    async def score(self, jobs: Sequence[Job], options: CallOptions | None = None) -> Ranking:
        """Answer several jobs at once, all or none: a score for each document, in their order; raises as `rerank`."""
        to_results = functools.partial(in_order, raw_scores=jobs[0].raw_scores)
        return await self._answer(jobs, options or CallOptions(), to_results)

    async def _answer(
        self, jobs: Sequence[Job], options: CallOptions, to_results: Callable[[Logits], list[Ranked]]
    ) -> Ranking:
        self._check(jobs)
        with self._concurrency:
            start = time.perf_counter()
            estimate = self._estimator.tokens(jobs)
            self._batcher.check_admission(estimate, options)  # before tokenising, which costs; `score` checks exactly
            threads = self._for_small if estimate <= SMALL_TOKENS else self._for_large
            tokenized = await asyncio.get_running_loop().run_in_executor(threads, self._tokenise_jobs, jobs)
            self._estimator.learn(jobs, tokenized.tokens)
            tokenised_at = time.perf_counter()
            scored = await self._score(tokenized, options)
            logits = best_chunks(scored.logits, tokenized.chunked.counts)[tokenized.distinct_index]
            results = to_results(logits)
            stages = Stages(
                tokenise_s=tokenised_at - start,
                queue_s=scored.queue_s,
                inference_s=scored.inference_s,
                total_s=time.perf_counter() - start,
            )
            tokens = tokenized.tokens
            usage = Usage(tokens=tokens, search_units=tokenized.search_units, usd=self._price(tokens))
            return Ranking(results=results, usage=usage, stages=stages)

    def _check(self, jobs: Sequence[Job]) -> None:
        """Raise what a request is refused for whatever else is going on: WarmingUp, UnknownModel, TooManyDocuments."""
        if not self.ready:
            raise WarmingUp("GET /ready tells when it is not")
        model = jobs[0].model
        if model and self._models is not None and model not in self._models:
            raise UnknownModel(model, self._models)
        documents = sum(len(job.documents) for job in jobs)
        if documents > self._max_documents:
            raise TooManyDocuments(documents, self._max_documents)

    def _tokenise_jobs(self, jobs: Sequence[Job]) -> TokenizedRequest:
        """Tokenise the distinct documents of each job; raise InvalidRequest where the limits do not allow them.

        A chunk costs what a document costs, so `max_documents` is the limit on chunks.
        """
        pairs: list[Pair] = []
        counts: list[int] = []
        distinct_index: list[int] = []
        tokens = search_units = chunks = 0
        for job in jobs:
            index_of = {document: index for index, document in enumerate(dict.fromkeys(job.documents))}
            max_pairs = self._max_documents - chunks
            chunked = self._tokenise_job(job, list(index_of), max_pairs=max_pairs, first=len(distinct_index))
            lengths = [sum(map(len, document_pairs)) for document_pairs in chunked.by_document()]
            indexes = [index_of[document] for document in job.documents]
            job_chunks = sum(chunked.counts[index] for index in indexes)
            chunks += job_chunks
            if chunks > self._max_documents:
                raise self._too_many_chunks(chunks, job)
            tokens += sum(lengths[index] for index in indexes)
            search_units += -(-job_chunks // PAIRS_PER_SEARCH_UNIT)
            distinct_index += [len(counts) + index for index in indexes]
            pairs += chunked.pairs
            counts += chunked.counts
        return TokenizedRequest(ChunkedPairs(pairs, counts), np.array(distinct_index, np.int64), tokens, search_units)

    def _tokenise_job(self, job: Job, documents: list[str], *, max_pairs: int, first: int) -> ChunkedPairs:
        """Tokenise one job's distinct documents; `first` is the index of its first document in the request."""
        chunk_options = ChunkOptions(
            max_chunks_per_doc=job.max_chunks_per_doc,
            overlap_tokens=job.overlap_tokens,
            max_tokens_per_doc=job.max_tokens_per_doc,
            truncation_side=job.truncation_side,
            truncate=job.truncate,
        )
        try:
            return self._tokenise(job.query, documents, chunk_options, max_pairs=max_pairs)
        except TooManyChunks as error:
            raise self._too_many_chunks(error.count, job) from None
        except TooLong as error:
            index = None if error.document is None else first + job.documents.index(documents[error.document])
            text = "the query" if index is None else f"the document with index {index}"
            raise InvalidRequest(
                f"{text} does not fit the model's window beside the other text, and the request forbids to cut it"
            ) from None

    def _too_many_chunks(self, count: int, job: Job) -> InvalidRequest:
        return InvalidRequest(
            f"documents come to {count} windows or more with max_chunks_per_doc {job.max_chunks_per_doc}, "
            f"more than the {self._max_documents} that this server takes in one request: lower "
            "max_chunks_per_doc, or send the documents in several requests",
            param="max_chunks_per_doc",
        )

    async def _score(self, tokenized: TokenizedRequest, options: CallOptions) -> Scored:
        """Score all pairs that are not in the cache; raise ModelFailed with the index of the document."""
        chunked = tokenized.chunked
        try:
            if self._scores is None:
                return await self._batcher.score(chunked.pairs, options)
            return await self._scores.score(chunked.pairs, lambda pairs: self._batcher.score(pairs, options))
        except ModelFailed as error:
            document = int(np.flatnonzero(tokenized.distinct_index == chunked.document(error.pair))[0])
            raise ModelFailed(f"the model failed on the document with index {document}", pair=error.pair) from None

    def _price(self, tokens: int) -> float | None:
        price = self._usd_per_million_tokens
        return None if price is None else tokens * price / 1_000_000


def rank(logits: Logits, *, top_n: int | None, raw_scores: bool) -> list[Ranked]:
    """Order documents by logit, highest first, equal logits by index; give the first `top_n`."""
    scores = logits if raw_scores else sigmoid(logits)
    order = np.argsort(-logits, kind="stable")[:top_n]
    return [Ranked(int(index), float(scores[index])) for index in order]


def in_order(logits: Logits, *, raw_scores: bool) -> list[Ranked]:
    """Score documents in their own order."""
    scores = logits if raw_scores else sigmoid(logits)
    return [Ranked(index, float(score)) for index, score in enumerate(scores)]
