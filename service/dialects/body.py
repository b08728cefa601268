"""Decodes a request body as JSON of a given type, with errors that a client can act on.

Lenient about what real clients send: unknown fields are ignored, `"true"` and `"3"` are accepted as true and 3, a byte
order mark is skipped, and half a surrogate pair (text cut in the middle of an emoji) becomes U+FFFD. Strict otherwise:
a body that is not JSON is a `MalformedBody`, JSON of another type an `InvalidRequest` that names the field. Only the
given type is built from a body, so ignored fields cost no memory; a document that is an object is read completely.
"""

import codecs
import re
from typing import Any

import msgspec

from service.errors import InvalidRequest, MalformedBody, UnsupportedMediaType

_JSON_TYPE = re.compile(r"^application/([\w.+-]+\+)?json$")
_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_AT_BYTE = re.compile(r"^(?:JSON is malformed: )?(?P<what>.*?)(?: \(byte (?P<byte>\d+)\))?$", re.DOTALL)
_SURROGATES = re.compile(
    rb"(?P<high>\\u[dD][89abAB][0-9a-fA-F]{2})(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_REPLACEMENT = rb"\ufffd"
_BACKSLASH = ord("\\")
NEWLINE = b"\n"


def check_headers(content_type: str, content_encoding: str) -> None:
    """Raise UnsupportedMediaType unless the headers declare plain JSON, or nothing."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and not _JSON_TYPE.match(media_type):
        raise UnsupportedMediaType(f"the body is declared as {media_type}: send Content-Type: application/json")
    if content_encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType(f"the Content-Encoding {content_encoding} is not supported: send the body unencoded")


def decode(body: bytes, shape: Any) -> Any:
    """Decode a body into a msgspec type or a union of types; raise MalformedBody or InvalidRequest."""
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise MalformedBody("the body is empty: send a JSON object")
    try:
        return _decode(body, shape)
    except msgspec.DecodeError as error:
        mended = _SURROGATES.sub(_mend, body)
        if mended == body:
            raise _malformed(body, error) from None
    try:
        return _decode(mended, shape)
    except msgspec.DecodeError as error:
        raise _malformed(mended, error) from None


def _decode(body: bytes, shape: Any) -> Any:
    """Decode once; msgspec's DecodeError passes through, since half a surrogate pair may have caused it."""
    try:
        return msgspec.json.decode(body, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except UnicodeDecodeError:
        raise MalformedBody(f"the body is not valid UTF-8 ({_position(body, _first_bad_byte(body))})") from None
    except RecursionError:
        raise MalformedBody("the body is nested too deeply") from None


def _mend(match: re.Match[bytes]) -> bytes:
    r"""Replace half a surrogate pair by U+FFFD; leave whole pairs and escaped backslashes (`\\ud800`) alone."""
    text, start = match.string, match.start()
    before = start
    while before and text[before - 1] == _BACKSLASH:
        before -= 1
    if (start - before) % 2:  # an escaped backslash; the match may still end in a half pair
        return match[0][:6] + (_REPLACEMENT if match["low"] else b"")
    return match[0] if match["low"] else _REPLACEMENT


def _malformed(body: bytes, error: msgspec.DecodeError) -> MalformedBody:
    """Report a JSON error by line and column; msgspec gives the byte, unless the body ends too early."""
    match = _AT_BYTE.match(str(error))
    if match is None or match["byte"] is None:
        return MalformedBody("the body is not JSON: it ends too early")
    return MalformedBody(f"the body is not JSON: {match['what']} ({_position(body, int(match['byte']))})")


def _position(body: bytes, byte: int) -> str:
    """Name the position of a byte by its line and its column in the line, both counted from 1."""
    before = body[:byte]
    return f"line {before.count(NEWLINE) + 1}, column {len(before) - before.rfind(NEWLINE)}"


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """Turn msgspec's "Expected `str`, got `int` - at `$.documents[1]`" into a sentence about documents[1]."""
    match = _AT_PATH.match(str(error))
    what, path = (match["what"], match["path"]) if match else (str(error), None)
    field = (path or "$").removeprefix("$").removeprefix(".")
    what = what.replace("`", "")
    sentence = what[0].lower() + what[1:]
    return InvalidRequest(f"{field or 'the body'}: {sentence}", param=field or None)
