"""`/rerank`, where two dialects meet: a body with `texts` is text-embeddings-inference's, one with `documents` is not.

Their error bodies differ too: `error` is a string in the one, an object in the other. Where an error comes before the
body could tell (no key, no JSON), the answer has `error` as a string, with the `message` and `detail` that the
others' clients read.
"""

from typing import ClassVar

import msgspec

from service.dialects import tei, unified
from service.dialects.body import decode
from service.dialects.result import ErrorBody
from service.dialects.statuses import own
from service.errors import InvalidRequest, RerankError


class EitherError(msgspec.Struct, kw_only=True):
    """An error before it is known which dialect is spoken."""

    error: str
    error_type: str
    message: str
    detail: str


class TextsOrDocuments:
    """A decoded body of either dialect."""

    choices: ClassVar = (tei.TeiRerankRequest, unified.RerankRequest)

    def __init__(self, request: tei.TeiRerankRequest | unified.RerankRequest) -> None:
        self.request = request


class EitherErrors:
    """Stands for the error bodies of the route in the OpenAPI document."""

    choices: ClassVar = (tei.TeiError, ErrorBody, EitherError)


class _Probe(msgspec.Struct):
    texts: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()


def shape(body: bytes) -> type[tei.TeiRerankRequest] | type[unified.RerankRequest]:
    """Tell which dialect a body speaks; raise MalformedBody or InvalidRequest."""
    probe = decode(body, _Probe)
    if _is_given(probe.documents):
        return unified.RerankRequest
    if _is_given(probe.texts):
        return tei.TeiRerankRequest
    raise InvalidRequest(
        "documents: is missing: send documents, or texts as to text-embeddings-inference", param="documents"
    )


def _is_given(value: msgspec.Raw) -> bool:
    """Absent and null are not; the value itself is not copied, which may be all of the body."""
    start = bytes(memoryview(value)[:4])
    return start not in {b"", b"null"}


status = own


def error_body(error: RerankError) -> EitherError:
    """Frame an error for clients of both."""
    told = tei.error_body(error)
    return EitherError(error=told.error, error_type=told.error_type, message=error.message, detail=error.message)
