"""This project's own dialect: POST /v1/rerank with query and documents, results by index.

The union of Jina's, Cohere's and vLLM's shapes, so that other servers which speak it can be measured too.
"""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, read_results


def request_body(query: str, documents: Sequence[str], model: str | None = None) -> bytes:
    """The JSON body."""
    return encode({"query": query, "documents": documents}, model)


DIALECT = Dialect("rerank", "/v1/rerank", request_body, read_results)
