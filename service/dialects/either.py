"""`/rerank`, which two dialects share: a body with `texts` is text-embeddings-inference's, one with `documents` is not.

Their error bodies differ too: `error` is a string in the one, an object in the other. Where an error comes before the
body could tell (no key, no JSON), the answer has `error` as a string, with the `message` and `detail` that the
others' clients read.
"""

from typing import Any

import msgspec

from service.dialects import tei
from service.dialects.body import decode
from service.dialects.dialect import Choice, Dialect
from service.dialects.result import RerankResponse
from service.dialects.tei import TEI
from service.dialects.unified import UNIFIED
from service.errors import InvalidRequest, RerankError


class EitherError(msgspec.Struct, kw_only=True):
    """An error before it is known which dialect is spoken."""

    error: str
    error_type: str
    message: str
    detail: str


class _Fields(msgspec.Struct):
    """The fields that tell the dialects apart, unread."""

    texts: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()


def choose(raw: bytes) -> Dialect[Any]:
    """Tell which dialect a body is in; raise MalformedBody or InvalidRequest."""
    fields = decode(raw, _Fields)
    if _is_given(fields.documents):
        return UNIFIED
    if _is_given(fields.texts):
        return TEI
    raise InvalidRequest(
        "documents: is missing: send documents, or texts as to text-embeddings-inference", param="documents"
    )


def _is_given(value: msgspec.Raw) -> bool:
    """Absent and null are not; the value itself is not copied, which may be all of the body."""
    start = bytes(memoryview(value)[:4])
    return start not in {b"", b"null"}


def error_body(error: RerankError) -> EitherError:
    """Frame an error for clients of both."""
    body = tei.error_body(error)
    return EitherError(error=body.error, error_type=body.error_type, message=error.message, detail=error.message)


EITHER = Choice(
    name="rerank_either",
    summary="Rerank: text-embeddings-inference, or as /v1/rerank",
    description=(
        "Answer a body with `texts` as text-embeddings-inference does, one with `documents` as `/v1/rerank` does."
    ),
    paths=("/rerank",),
    choices=(TEI, UNIFIED),
    choose=choose,
    response=RerankResponse | list[tei.Rank],
    error_body=error_body,
)
