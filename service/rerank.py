"""The spine: a Job becomes tokens, logits, a Ranking. `Reranker.rerank` reads from top to bottom.

Tokenising runs in threads of its own, off the event loop and overlapped with the model. A document has the logit of its
best window. Ranking is by logit, highest first, ties by the index in the request; scores are the sigmoid of the logit
in float32 unless the client asked for raw.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from models.pair import Logits
from models.scorer import sigmoid
from models.windows import TooManyWindows, WindowedPairs, Windows, best_windows
from service.batcher import Batcher, Scored
from service.errors import InvalidRequest, ModelFailed, NotReady, Overloaded
from service.job import Job, Ranked, Ranking, Stages

TOKENISE_THREADS = 2
"""Requests tokenised at a time; the tokenizer itself spreads one request over the cores."""


class Tokenise(Protocol):
    """The tokeniser: a query and documents to pairs, or TooManyWindows."""

    def __call__(
        self, query: str, documents: Sequence[str], windows: Windows, *, max_pairs: int | None
    ) -> WindowedPairs:
        """Pair the query with each window of each document."""


class Reranker:
    """One model behind one queue, with the limits on what a request may be."""

    def __init__(
        self, tokenise: Tokenise, batcher: Batcher, *, max_documents: int, max_concurrent_requests: int
    ) -> None:
        self._tokenise = tokenise
        self._batcher = batcher
        self._max_documents = max_documents
        self._max_concurrent_requests = max_concurrent_requests
        self._threads = ThreadPoolExecutor(TOKENISE_THREADS, thread_name_prefix="tokenise")
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
        self._threads.shutdown()

    async def rerank(self, job: Job) -> Ranking:
        """Answer a job.

        Raises:
            NotReady: the model is not warmed up, or the server is going down.
            InvalidRequest: too many documents, or too many windows of them.
            Overloaded: too many requests in flight, or no room in the queue.
            ModelFailed: the model failed on one of the job's pairs.
        """
        with self._admitted(job):
            start = time.perf_counter()
            windowed = await asyncio.get_running_loop().run_in_executor(self._threads, self._windowed, job)
            tokenised = time.perf_counter()
            scored = await self._score(windowed)
            logits = best_windows(scored.logits, windowed.counts)
            results = rank(logits, top_n=job.top_n, raw_scores=job.raw_scores)
            stages = Stages(
                tokenise_s=tokenised - start,
                queue_s=scored.queue_s,
                inference_s=scored.inference_s,
                total_s=time.perf_counter() - start,
            )
            return Ranking(results=results, tokens=sum(len(pair) for pair in windowed.pairs), stages=stages)

    def _windowed(self, job: Job) -> WindowedPairs:
        """Tokenise; a window costs what a document costs, so as many are taken in a request."""
        windows = Windows(max_chunks_per_doc=job.max_chunks_per_doc, overlap_tokens=job.overlap_tokens)
        try:
            return self._tokenise(job.query, job.documents, windows, max_pairs=self._max_documents)
        except TooManyWindows as error:
            raise InvalidRequest(
                f"documents come to {error.count} windows or more with max_chunks_per_doc {job.max_chunks_per_doc}, "
                f"more than the {self._max_documents} that this server takes in one request: lower "
                "max_chunks_per_doc, or send the documents in several requests",
                param="max_chunks_per_doc",
            ) from None

    async def _score(self, windowed: WindowedPairs) -> Scored:
        """Score all windows; tell a failure by its document."""
        try:
            return await self._batcher.score(windowed.pairs)
        except ModelFailed as error:
            document = windowed.document(error.pair)
            raise ModelFailed(f"the model failed on the document with index {document}", pair=error.pair) from None

    @contextmanager
    def _admitted(self, job: Job) -> Iterator[None]:
        if not self.ready:
            raise NotReady("the model is still warming up: GET /ready tells when it is not", retry_after_s=1)
        if len(job.documents) > self._max_documents:
            raise InvalidRequest(
                f"documents has {len(job.documents)} entries, more than the {self._max_documents} that this server "
                "takes in one request: send them in several",
                param="documents",
            )
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


def rank(logits: Logits, *, top_n: int | None, raw_scores: bool) -> list[Ranked]:
    """Order documents by logit, highest first, equal logits by index; give the first `top_n`."""
    scores = logits if raw_scores else sigmoid(logits)
    order = np.argsort(-logits, kind="stable")[:top_n]
    return [Ranked(int(index), float(scores[index])) for index in order]
