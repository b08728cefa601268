"""vLLM: POST /v1/rerank in Jina's form; the documents in the answer are ignored.

vLLM's other route, /v1/score, is `vllm_score.py`.
"""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, parse_results


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body."""
    return encode({"model": model, "query": query, "documents": documents, "top_n": top_n})


DIALECT = Dialect("vllm", "/v1/rerank", request_body, parse_results)
