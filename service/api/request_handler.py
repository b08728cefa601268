"""Where the routes bring their jobs: answered while the client is connected, and counted in the metrics."""

import math
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from service.api.auth import ANYBODY, Caller
from service.api.guard import CALLER
from service.api.info import ServedModel
from service.api.metrics import Metrics
from service.api.request import JsonRequest
from service.engine.entry import CallOptions
from service.engine.reranker import Reranker
from service.job import Job, Ranking


class RequestHandler:
    """The spine and the metrics behind every ranking route."""

    def __init__(
        self, reranker: Reranker, metrics: Metrics, served: ServedModel, *, max_documents: int, deadline_ms: int
    ) -> None:
        self._reranker = reranker
        self._metrics = metrics
        self.served = served
        self.max_documents = max_documents
        self._deadline_ms = deadline_ms

    async def rerank(self, request: JsonRequest, job: Job) -> Ranking:
        """Rank one job's documents, best first; raises what `Reranker.rerank` raises."""
        work = self._reranker.rerank(job, self._call_options(request, job))
        return await self._counted(request, work, len(job.documents))

    async def score(self, request: JsonRequest, jobs: Sequence[Job]) -> Ranking:
        """Score several jobs' documents in their order; raises what `Reranker.score` raises."""
        work = self._reranker.score(jobs, self._call_options(request, jobs[0]))
        return await self._counted(request, work, sum(len(job.documents) for job in jobs))

    def _call_options(self, request: JsonRequest, job: Job) -> CallOptions:
        """Say who asks, before whom he goes, and when the answer is of no use any more."""
        caller: Caller = request.state.get(CALLER, ANYBODY)
        milliseconds = request.timeout_ms or self._deadline_ms
        deadline = time.perf_counter() + milliseconds / 1000 if milliseconds else math.inf
        return CallOptions(priority=job.priority, key=caller.name, share=caller.share, deadline=deadline)

    async def _counted(self, request: JsonRequest, work: Coroutine[Any, Any, Ranking], documents: int) -> Ranking:
        ranking = await request.while_connected(work)
        self._metrics.observe(documents, ranking.usage, ranking.stages)
        return ranking
