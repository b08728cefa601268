"""A request body read as JSON of a wanted shape, with errors that a client can act on.

Generous in what real clients send: unknown fields are ignored, `"true"` and `"3"` are taken for true and 3, half a
surrogate pair (text cut in the middle of an emoji) becomes U+FFFD. Strict about the rest: what is not JSON is a
`MalformedBody`, JSON of another shape an `InvalidRequest` that names the field.
"""

import json
import re
from typing import Any

import msgspec

from service.errors import InvalidRequest, MalformedBody, WrongContentType

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_JSON_TYPE = re.compile(r"^application/([\w.+-]+\+)?json$")


def check_content_type(content_type: str) -> None:
    """Raise WrongContentType unless the header says JSON, or says nothing."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and not _JSON_TYPE.match(media_type):
        raise WrongContentType(f"the body is declared as {media_type}: send Content-Type: application/json")


def decode(body: bytes, shape: Any) -> Any:
    """Decode a body into a msgspec type (or a union of such); raise MalformedBody or InvalidRequest."""
    if not body.strip():
        raise MalformedBody("the body is empty: send a JSON object")
    try:
        return msgspec.json.decode(body, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(body, shape)


def _decode_slowly(body: bytes, shape: Any) -> Any:
    """Read what msgspec could not: repair lone surrogates, or say where the JSON breaks."""
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
        return msgspec.convert(_repaired(parsed), shape, strict=False)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"the body is not JSON: {error.msg} ({where})") from None
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not JSON in UTF-8: byte {error.start} cannot be read") from None
    except RecursionError:
        raise MalformedBody("the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except ValueError as error:
        raise MalformedBody(f"the body is not JSON that can be read: {error}") from None


def _refuse_constant(name: str) -> None:
    raise MalformedBody(f"the body is not JSON: {name} is not a JSON number")


def _repaired(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no UTF-8 text can hold, by the replacement character."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_repaired(entry) for entry in value]
    if isinstance(value, dict):
        return {_repaired(key): _repaired(entry) for key, entry in value.items()}
    return value


def _invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """Turn msgspec's "Expected `str`, got `int` - at `$.documents[1]`" into a sentence about documents[1]."""
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"]) if match else (str(error), None)
    field = (path or "$").removeprefix("$").removeprefix(".")
    what = what.replace("`", "")
    sentence = what[0].lower() + what[1:]
    return InvalidRequest(f"{field or 'the body'}: {sentence}", param=field or None)
