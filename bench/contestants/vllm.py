"""vLLM: POST /v1/rerank in Jina's shape; it sends the documents back unasked, which are passed over."""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, read_results


def request_body(query: str, documents: Sequence[str], model: str | None = None) -> bytes:
    """The JSON body."""
    return encode({"query": query, "documents": documents}, model)


DIALECT = Dialect("vllm", "/v1/rerank", request_body, read_results)
