"""What is wrong with an answer to a load test, in one sentence.

Status 200 is not enough: an answer is good only if its dialect finds as many results as were asked for, each of a
document that was sent, none twice, best first where the dialect orders. A wrong answer never raises: it becomes a
failure in the statistics.
"""

import httpx

from bench.client.replies import refusal
from bench.contestants.dialect import Dialect
from bench.load.workload import RerankRequest, Workload


def problem(
    dialect: Dialect, workload: Workload, request: RerankRequest, status: int, body: bytes, error: object
) -> str | None:
    """What is wrong with the answer to `request`; None where nothing is.

    Args:
        dialect: in which it was asked.
        workload: of the running test.
        request: what was sent.
        status: of the answer; 0 where none came.
        body: of the answer, empty where none came.
        error: why none came.
    """
    if not status:
        return f"no answer: {error}"
    if status != httpx.codes.OK:
        return refusal(status, body, workload.key)
    return dialect.problem(body, len(request.documents), workload.top_n)
