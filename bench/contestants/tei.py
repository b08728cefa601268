"""text-embeddings-inference: POST /rerank with `texts`, a bare list back, counts and stage times in headers.

Its `--max-client-batch-size` is 32 unless set higher: start it with as many as the documents of a request.
"""

from collections.abc import Sequence
from types import MappingProxyType

from bench.contestants.dialect import Dialect
from bench.contestants.results import ParsedAnswer, ScoreResult, by_score, decode, encode


def request_body(query: str, texts: Sequence[str], _model: str | None = None, _top_n: int | None = None) -> bytes:
    """The JSON body; a server has one model and no field for it, nor for `top_n`. Long texts are cut, not refused."""
    return encode({"query": query, "texts": texts, "truncate": True})


def parse(body: bytes) -> ParsedAnswer:
    """Read the list."""
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
