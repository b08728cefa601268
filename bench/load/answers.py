"""Checks the answers to a load test.

Status 200 is not enough: an answer is valid only if it has as many results as requested, each for a document that was
sent, none twice, and best first if the dialect sorts. An invalid answer never raises: it becomes a failure in the
statistics.
"""

import httpx

from bench.client.replies import refusal
from bench.contestants.dialect import Dialect
from bench.load.workload import RerankRequest, Workload


def problem(
    dialect: Dialect, workload: Workload, request: RerankRequest, status: int, body: bytes, error: object
) -> str | None:
    """Return what is wrong with the answer to `request`; None if it is valid.

    Args:
        dialect: the dialect of the request.
        workload: the workload of the running test.
        request: the request that was sent.
        status: the status of the answer; 0 if none came.
        body: the body of the answer; empty if none came.
        error: the reason why no answer came.
    """
    if not status:
        return f"no answer: {error}"
    if status != httpx.codes.OK:
        return refusal(status, body, workload.key)
    return dialect.problem(body, len(request.documents), workload.top_n)
