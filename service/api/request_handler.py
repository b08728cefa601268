"""How every ranking route processes a request, from its body to the response, in any dialect."""

import math
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from litestar import Response

from service.api.auth import ANYBODY, Caller
from service.api.guard import CALLER
from service.api.info import ServedModel
from service.api.metrics import ModelMetrics
from service.api.request import JsonRequest
from service.api.server_timing import server_timing
from service.dialects.dialect import AnyDialect, Dialect
from service.engine.entry import CallOptions
from service.engine.reranker import Reranker
from service.job import Job, Ranking


class RequestHandler:
    """Answers requests in any dialect: decodes, ranks while the client is connected, counts, and responds."""

    def __init__(
        self, reranker: Reranker, metrics: ModelMetrics, served: ServedModel, *, max_documents: int, deadline_ms: int
    ) -> None:
        """Put a reranker behind the routes.

        Args:
            reranker: ranks and scores documents.
            metrics: the model's metrics, which count answered requests.
            served: the served model, named in the responses.
            max_documents: the maximum number of documents per request.
            deadline_ms: the default deadline in milliseconds, for requests without one; 0 for none.
        """
        self._reranker = reranker
        self._metrics = metrics
        self._served = served
        self._max_documents = max_documents
        self._deadline_ms = deadline_ms

    async def answer(self, request: JsonRequest, route: AnyDialect) -> Response[Any]:
        """Answer a request.

        Raises:
            UnsupportedMediaType, MalformedBody, InvalidRequest: the body is not a valid request.
            ClientDisconnected: the client disconnected before the response.
            NotReady, UnknownModel, Overloaded, DeadlineExceeded, ModelFailed: as `Reranker.rerank` raises.
        """
        body = await request.json_body()
        dialect = route.choose(body)
        request.tell_errors_in(dialect)
        decoded = dialect.decode(body)
        jobs = dialect.to_jobs(decoded, self._max_documents)
        ranking = await request.while_connected(self._work(request, dialect, jobs))
        self._metrics.observe(sum(len(job.documents) for job in jobs), ranking.usage, ranking.stages)
        headers = {
            **dialect.headers(jobs, ranking, self._served.info.device),
            "Server-Timing": server_timing(ranking.stages),
        }
        return Response(dialect.to_response(decoded, ranking, self._served.name), headers=headers)

    def _work(self, request: JsonRequest, dialect: Dialect[Any], jobs: Sequence[Job]) -> Coroutine[Any, Any, Ranking]:
        """Rank the only job, or score all jobs in their order."""
        options = self._call_options(request, jobs[0])
        if dialect.ranks:
            return self._reranker.rerank(jobs[0], options)
        return self._reranker.score(jobs, options)

    def _call_options(self, request: JsonRequest, job: Job) -> CallOptions:
        """Build the request's options: its caller, priority and deadline."""
        caller: Caller = request.state.get(CALLER, ANYBODY)
        milliseconds = request.timeout_ms or self._deadline_ms
        deadline = time.perf_counter() + milliseconds / 1000 if milliseconds else math.inf
        return CallOptions(priority=job.priority, key=caller.name, share=caller.share, deadline=deadline)
