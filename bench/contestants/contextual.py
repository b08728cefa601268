"""Contextual AI: POST /v1/rerank; results by index and nothing else, so tokens and cost are not known.

It is billed by the token (docs.contextual.ai/user-guides/billing) but reports no count. A request may have 400,000
tokens. Errors are `{"detail"}`, with a list of locations and messages if the body was invalid.
"""

from collections.abc import Sequence

from bench.contestants.dialect import Dialect
from bench.contestants.results import encode, parse_results


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body, without an instruction, because the other dialects have none either."""
    return encode({"model": model, "query": query, "documents": documents, "top_n": top_n})


DIALECT = Dialect(
    "contextual",
    "/v1/rerank",
    request_body,
    parse_results,
    base_url="https://api.contextual.ai",
    key_variable="CONTEXTUAL_API_KEY",
    default_model="ctxl-rerank-v2-instruct-multilingual",
)
