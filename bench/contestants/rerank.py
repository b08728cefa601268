"""This project's own dialect: POST /v1/rerank with query and documents, results by index.

The common form of Jina's, Cohere's and vLLM's APIs, so that other servers with such an API can be measured too.
"""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, parse_results


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body."""
    return encode({"model": model, "query": query, "documents": documents, "top_n": top_n})


DIALECT = Dialect("rerank", "/v1/rerank", request_body, parse_results)
