"""Infinity: POST /rerank with documents, results by index with `usage`; a document comes back only if asked for."""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, read_results


def request_body(query: str, documents: Sequence[str], model: str | None = None) -> bytes:
    """The JSON body."""
    return encode({"query": query, "documents": documents, "return_documents": False}, model)


DIALECT = Dialect("infinity", "/rerank", request_body, read_results)
