"""Infinity: POST /rerank with documents, results by index with `usage`; documents are returned only on request."""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, parse_results


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body."""
    body = {"model": model, "query": query, "documents": documents, "top_n": top_n, "return_documents": False}
    return encode(body)


DIALECT = Dialect("infinity", "/rerank", request_body, parse_results)
