"""Where the routes bring their jobs: answered while the client is connected, and counted in the metrics."""

from collections.abc import Coroutine, Sequence
from typing import Any

from service.info import ServedModel
from service.job import Job, Ranking
from service.request import JsonRequest
from service.rerank import Reranker
from service.telemetry import Metrics


class Desk:
    """The spine and the metrics behind every ranking route."""

    def __init__(self, reranker: Reranker, metrics: Metrics, served: ServedModel, max_documents: int) -> None:
        self._reranker = reranker
        self._metrics = metrics
        self.served = served
        self.max_documents = max_documents

    async def rerank(self, request: JsonRequest, job: Job) -> Ranking:
        """Rank one job's documents, best first; raises what `Reranker.rerank` raises."""
        return await self._counted(request, self._reranker.rerank(job), len(job.documents))

    async def score(self, request: JsonRequest, jobs: Sequence[Job]) -> Ranking:
        """Score several jobs' documents in their order; raises what `Reranker.score` raises."""
        return await self._counted(request, self._reranker.score(jobs), sum(len(job.documents) for job in jobs))

    async def _counted(self, request: JsonRequest, work: Coroutine[Any, Any, Ranking], documents: int) -> Ranking:
        ranking = await request.while_connected(work)
        self._metrics.observe(documents, ranking.usage, ranking.stages)
        return ranking
