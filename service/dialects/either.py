"""`/rerank`, shared by two dialects: text-embeddings-inference (with `texts`) and the unified one (with `documents`).

Their error bodies differ: `error` is a string in the first, an object in the second. If an error occurs before the
dialect is known (no API key, no JSON), `error` is a string, beside the `message` and `detail` that other clients read.
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
    """An error that occurs before the dialect is known."""

    error: str
    error_type: str
    message: str
    detail: str


class _Fields(msgspec.Struct):
    """The fields that distinguish the dialects, not decoded."""

    texts: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()


def choose(raw: bytes) -> Dialect[Any]:
    """Return the dialect of a body; raise MalformedBody or InvalidRequest."""
    fields = decode(raw, _Fields)
    if _is_given(fields.documents):
        return UNIFIED
    if _is_given(fields.texts):
        return TEI
    raise InvalidRequest(
        "documents: is missing: send documents, or texts as for text-embeddings-inference", param="documents"
    )


def _is_given(value: msgspec.Raw) -> bool:
    """Tell whether a field is present and not null, without copying the value, which may be very large."""
    start = bytes(memoryview(value)[:4])
    return start not in {b"", b"null"}


def error_body(error: RerankError) -> EitherError:
    """Make an error body for clients of both dialects."""
    body = tei.error_body(error)
    return EitherError(error=body.error, error_type=body.error_type, message=error.message, detail=error.message)


EITHER = Choice(
    name="rerank_either",
    summary="Rerank: text-embeddings-inference, or the same as /v1/rerank",
    description=(
        "A body with `texts` is answered like text-embeddings-inference, one with `documents` like `/v1/rerank`."
    ),
    paths=("/rerank",),
    choices=(TEI, UNIFIED),
    choose=choose,
    response=RerankResponse | list[tei.Rank],
    error_body=error_body,
)
