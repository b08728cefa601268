"""What a load test asks in each dialect, and what is wrong with an answer.

One row a dialect: its route, the names of its fields and whether its answer is ordered. It promises that an answer is
good only if it holds as many results as were asked for, each of a document that was sent, none twice, best first where
the dialect orders. A wrong answer is a sentence, never an exception: it becomes a failure in the statistics.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.errors import BenchError

MESSAGE_LENGTH = 200


@dataclass(frozen=True)
class Dialect:
    """How one kind of server is asked."""

    name: str
    route: str
    query: str = "query"
    documents: str = "documents"
    top_n: str | None = "top_n"
    """None where the dialect always answers for every document."""
    in_text: bool = False
    """Texts are wrapped as `{"text": …}`."""
    model: bool = True
    """Requests name a model."""
    results: str | None = "results"
    """Where in the answer the results are; None where the answer is the list itself."""
    score: str = "relevance_score"
    ordered: bool = True

    def body(self, query: str, documents: Sequence[str], top_n: int | None, model: str | None) -> bytes:
        """The JSON body of a request."""
        wrapped: Any = [{"text": text} for text in (query, *documents)] if self.in_text else [query, *documents]
        body = {self.query: wrapped[0], self.documents: wrapped[1:]}
        if top_n is not None and self.top_n is not None:
            body[self.top_n] = top_n
        if model is not None and self.model:
            body["model"] = model
        return msgspec.json.encode(body)

    def expected(self, documents: int, top_n: int | None) -> int:
        """How many results a good answer holds."""
        return documents if top_n is None or self.top_n is None else min(top_n, documents)

    def problem(self, body: bytes, documents: int, top_n: int | None) -> str | None:
        """What is wrong with an answer, in a sentence; None where nothing is."""
        try:
            results = self._read(body)
        except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError, ValueError) as error:
            return f"the answer is no {self.name} result ({type(error).__name__})"
        expected = self.expected(documents, top_n)
        if len(results) != expected:
            return f"{len(results)} results where {expected} were asked for"
        return _wrong_index([index for index, _ in results], documents) or self._wrong_score([s for _, s in results])

    def _read(self, body: bytes) -> list[tuple[int, float]]:
        answer = msgspec.json.decode(body)
        results = answer if self.results is None else answer[self.results]
        return [(msgspec.convert(at["index"], int), msgspec.convert(at[self.score], float)) for at in results]

    def _wrong_score(self, scores: list[float]) -> str | None:
        if not all(map(math.isfinite, scores)):
            return "a score is not finite"
        if self.ordered and any(first < second for first, second in itertools.pairwise(scores)):
            return "the results are not ordered by score"
        return None


def _wrong_index(indexes: list[int], documents: int) -> str | None:
    for index in indexes:
        if not 0 <= index < documents:
            return f"the index {index} where {documents} documents were sent"
    return "a document comes twice" if len(set(indexes)) < len(indexes) else None


def refusal(status: int, body: bytes | None, error: object) -> str:
    """What is wrong where the status is not 200; 0 is no answer at all."""
    if not status:
        return f"no answer: {error}"
    return f"status {status}: {(body or b'').decode(errors='replace')[:MESSAGE_LENGTH]}"


OWN = Dialect("own", "/v1/rerank")
COHERE = Dialect("cohere", "/v2/rerank")
TEI = Dialect("tei", "/rerank", documents="texts", top_n=None, model=False, results=None, score="score")
INFINITY = Dialect("infinity", "/rerank")
VLLM = Dialect(
    "vllm", "/v1/score", query="text_1", documents="text_2", top_n=None, results="data", score="score", ordered=False
)
NIM = Dialect("nim", "/v1/ranking", documents="passages", top_n=None, in_text=True, results="rankings", score="logit")
ALL = (OWN, COHERE, TEI, INFINITY, VLLM, NIM)


def check_tags(tags: Sequence[str]) -> None:
    """BenchError where one of them is no dialect."""
    known = [dialect.name for dialect in ALL]
    for tag in tags:
        if tag not in known:
            raise BenchError(f"there is no dialect {tag!r}: the tags are {', '.join(known)}")
