"""text-embeddings-inference: POST /rerank with `texts`, answered by a bare list, counts and stage times in headers.

Its default `--max-client-batch-size` is 32: start it with at least the number of documents per request.
"""

from collections.abc import Sequence
from types import MappingProxyType

from bench.contestants.dialect import Dialect
from bench.contestants.results import ParsedAnswer, ScoreResult, by_score, decode, encode


def request_body(query: str, texts: Sequence[str], _model: str | None = None, _top_n: int | None = None) -> bytes:
    """Return the JSON body, which has no fields for the model and `top_n`; long texts are truncated, not refused."""
    return encode({"query": query, "texts": texts, "truncate": True})


def parse(body: bytes) -> ParsedAnswer:
    """Parse the list."""
    return ParsedAnswer(by_score(decode(body, list[ScoreResult])))


DIALECT = Dialect(
    "tei",
    "/rerank",
    request_body,
    parse,
    takes_top_n=False,
    tokens_header="x-compute-tokens",
    timing_headers=MappingProxyType(
        {
            "x-tokenization-time": "tokenise",
            "x-queue-time": "queue",
            "x-inference-time": "inference",
            "x-total-time": "total",
        }
    ),
)
