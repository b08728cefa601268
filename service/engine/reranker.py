"""The path of a request, from a Job to tokens, logits and a Ranking; `Reranker._answer` shows it from top to bottom.

Tokenising runs in separate threads, off the event loop and in parallel with the model. A document's logit is its best
chunk's. Documents are ranked by logit, highest first, ties by their index in the request; scores are the sigmoid of
the logit in float32 unless the client asked for logits. `score` does the same for several queries, without ranking.
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
from models.wording import are, counted
from service.engine.admission import ConcurrencyLimit
from service.engine.batcher import Batcher
from service.engine.entry import CallOptions, Scored
from service.engine.scheduler import QUANTUM_TOKENS
from service.engine.score_cache import ScoreCache
from service.engine.token_estimate import TokenEstimator
from service.errors import InvalidRequest, ModelFailed, TooManyDocuments, UnknownModel, WarmingUp
from service.job import Job, Ranked, Ranking, Stages, Usage

TOKENISE_THREADS = 2
"""Threads for small requests, and as many for large ones; the tokenizer itself uses all cores for a request."""
SMALL_TOKENS = QUANTUM_TOKENS
"""Maximum estimated tokens of a small request, which does not wait for large ones to be tokenised."""
PAIRS_PER_SEARCH_UNIT = 100
"""Cohere bills one search unit per query with up to 100 documents, and counts each chunk of a long document."""


class TokenizedRequest(NamedTuple):
    """A request after tokenising."""

    chunked: ChunkedPairs
    """The pairs of the distinct documents: a document that occurs twice is scored once."""
    distinct_index: npt.NDArray[np.int64]
    """For each document of the request, its index among the distinct ones, [documents]."""
    tokens: int
    """Total length of all documents' pairs; repeated documents count each time."""
    search_units: int


class Tokenise(Protocol):
    """The tokeniser: turns a query and documents into pairs."""

    def __call__(
        self, query: str, documents: Sequence[str], chunk_options: ChunkOptions, /, *, max_pairs: int | None
    ) -> ChunkedPairs:
        """Pair the query with every chunk of every document; raise TooManyChunks or TooLong."""


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
            tokenise: turns a query and documents into pairs.
            batcher: the queue, not yet started.
            max_documents: the maximum number of documents per request; every chunk of a long document counts.
            max_concurrent_requests: the maximum number of requests in flight.
            max_tokens: the maximum number of tokens per pair.
            models: the model names that requests may use; None for any.
            usd_per_million_tokens: the price for reporting costs; None for no price.
            scores: the score cache; None for none.
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
        """Number of requests in flight."""
        return self._concurrency.in_flight

    def open(self) -> None:
        """Start the inference threads and accept requests from now on."""
        self._batcher.start()
        self.ready = True

    def close(self) -> None:
        """Accept no more requests, finish those that are queued, and end all threads."""
        self.ready = False
        self._batcher.close()
        self._for_small.shutdown()
        self._for_large.shutdown()

    async def rerank(self, job: Job, options: CallOptions | None = None) -> Ranking:
        """Rank a job's documents, best first.

        Raises:
            WarmingUp, ShuttingDown: the model is not warmed up yet, or the server is shutting down.
            UnknownModel: the request names another model, and names are checked strictly.
            InvalidRequest: too many documents or chunks, or a text that is too long and must not be truncated.
            Overloaded: too many requests in flight, a full queue, or a deadline that cannot be met.
            DeadlineExceeded: the deadline passed in the queue.
            ModelFailed: the model failed on one of the job's pairs.
        """
        to_results = functools.partial(rank, top_n=job.top_n, raw_scores=job.raw_scores)
        return await self._answer([job], options or CallOptions(), to_results)

    async def score(self, jobs: Sequence[Job], options: CallOptions | None = None) -> Ranking:
        """Score the documents of several jobs in their order, all or none; raises like `rerank`."""
        to_results = functools.partial(in_order, raw_scores=jobs[0].raw_scores)
        return await self._answer(jobs, options or CallOptions(), to_results)

    async def _answer(
        self, jobs: Sequence[Job], options: CallOptions, to_results: Callable[[Logits], list[Ranked]]
    ) -> Ranking:
        self._check(jobs)
        with self._concurrency:
            start = time.perf_counter()
            estimate = self._estimator.tokens(jobs)
            self._batcher.check_admission(estimate, options)  # spares tokenising; `score` checks again, exactly
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
        """Check a request regardless of the load; raise WarmingUp, UnknownModel or TooManyDocuments."""
        if not self.ready:
            raise WarmingUp("GET /ready answers 200 when it is ready")
        model = jobs[0].model
        if model and self._models is not None and model not in self._models:
            raise UnknownModel(model, self._models)
        documents = sum(len(job.documents) for job in jobs)
        if documents > self._max_documents:
            raise TooManyDocuments(documents, self._max_documents)

    def _tokenise_jobs(self, jobs: Sequence[Job]) -> TokenizedRequest:
        """Tokenise the distinct documents of each job; raise InvalidRequest if they exceed the limits.

        A chunk costs as much as a document, so `max_documents` also limits the chunks.
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
            truncation_side="left" if job.truncation_side == "left" else None,
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
                f"{text} does not fit the model's context window, and the request does not allow truncation"
            ) from None

    def _too_many_chunks(self, count: int, job: Job) -> InvalidRequest:
        return InvalidRequest(
            f"the documents make {counted(count, 'chunk')} or more with max_chunks_per_doc {job.max_chunks_per_doc}, "
            f"but at most "
            f"{self._max_documents} {are(self._max_documents)} allowed: lower max_chunks_per_doc, or split them into "
            f"several requests",
            param="max_chunks_per_doc",
        )

    async def _score(self, tokenized: TokenizedRequest, options: CallOptions) -> Scored:
        """Score all pairs, using the score cache if there is one; raise ModelFailed with the index of the document."""
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
    """Rank documents by logit, highest first, ties by index; return the first `top_n`."""
    scores = logits if raw_scores else sigmoid(logits)
    order = np.argsort(-logits, kind="stable")[:top_n]
    return [Ranked(int(index), float(scores[index])) for index in order]


def in_order(logits: Logits, *, raw_scores: bool) -> list[Ranked]:
    """Return the documents' scores in their original order."""
    scores = logits if raw_scores else sigmoid(logits)
    return [Ranked(index, float(score)) for index, score in enumerate(scores)]
