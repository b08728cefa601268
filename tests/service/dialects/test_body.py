"""Reading bodies: generous with types, strict with form, and never a bare traceback."""

import json
import re
import tracemalloc
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dialects.body import check_headers, decode
from service.dialects.unified import UNIFIED, RerankRequest
from service.errors import InvalidRequest, MalformedBody, RerankError, UnsupportedMediaType

GOOD = b'{"query": "q", "documents": ["a", {"text": "b"}]'


def read(body: bytes) -> Any:
    (job,) = UNIFIED.to_jobs(decode(body, RerankRequest), 99)
    return job


def test_strings_and_objects_are_documents() -> None:
    """Both forms may be mixed, and an object's other fields are ignored."""
    assert read(GOOD + b"}").documents == ["a", "b"]
    assert read(b'{"query": "q", "documents": [{"text": "a", "id": 7, "meta": null}]}').documents == ["a"]


def test_ignored_numbers_may_be_of_any_size() -> None:
    """Ten thousand digits in a field that is ignored, with half a surrogate pair beside, cost nobody anything."""
    assert read(GOOD + b', "x": ' + b"9" * 10_000 + b', "y": "\\ud800"}') == read(GOOD + b"}")


def test_a_byte_order_mark_is_skipped() -> None:
    """Editors on Windows write one."""
    assert read(b"\xef\xbb\xbf" + GOOD + b"}") == read(GOOD + b"}")


def test_explicit_nulls_are_as_absent() -> None:
    """Clients send every field they know."""
    nulls = (
        b', "top_n": null, "return_documents": null, "raw_scores": null, "model": null, "max_chunks_per_doc": null, '
        b'"overlap_tokens": null}'
    )
    assert read(GOOD + nulls) == read(GOOD + b"}")


@pytest.mark.parametrize(
    ("text", "value"), [(b'"true"', True), (b'"false"', False), (b'"True"', True), (b"true", True)]
)
def test_booleans_may_be_strings_and_mean_what_they_say(text: bytes, value: bool) -> None:
    """The string "false" is false."""
    assert read(GOOD + b', "raw_scores": ' + text + b"}").raw_scores is value


def test_unknown_fields_are_ignored() -> None:
    """Whatever shape they have."""
    assert read(GOOD + b', "rank_fields": ["text"], "seed": {"x": [1]}}') == read(GOOD + b"}")


@pytest.mark.parametrize("text", [b"0", b"null", b'"0"'])
def test_top_n_of_nothing_means_all(text: bytes) -> None:
    """0 and null ask for every document."""
    assert read(GOOD + b', "top_n": ' + text + b"}").top_n is None


@pytest.mark.parametrize(
    ("escape", "expected"),
    [
        (rb"\u0000", "\x00"),
        (rb"\ud83d\udc3c", "🐼"),
        (rb"\ud83d", "\ufffd"),
        (rb"\udc3c", "\ufffd"),
        (rb"cut \ud83d here", "cut \ufffd here"),
        (rb"\ud83d\ud83d\udc3c", "\ufffd🐼"),
    ],
)
def test_nul_and_halves_of_surrogate_pairs_are_read(escape: bytes, expected: str) -> None:
    """A text cut in the middle of an emoji is still a text."""
    assert read(b'{"query": "q", "documents": ["' + escape + b'"]}').documents == [expected]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf",
        "{}".encode("utf-16"),
        b"",
        b"  ",
        b"{",
        b'{"query": "q", "documents": ["a"]} trailing',
        b'{"query": NaN}',
        b"\xff\xfe",
        b'{"query": "\xff", "documents": ["a"]}',
        b'{"a": ' * 100_000,
        b'{"query": "q", "documents": ["a"], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"query=q&documents=a",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_is_told_as_such(body: bytes) -> None:
    """Broken, truncated, mis-encoded and endlessly nested bodies give 400 and a sentence."""
    with pytest.raises(MalformedBody) as told:
        read(body)
    assert told.value.message.startswith("the body is")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"[]", None, "expected object, got array"),
        (b"{}", None, "missing required field"),
        (b'{"documents": ["a"]}', None, "missing required field query"),
        (b'{"query": null, "documents": ["a"]}', "query", "expected str, got null"),
        (b'{"query": 5, "documents": ["a"]}', "query", "expected str, got int"),
        (b'{"query": "", "documents": ["a"]}', "query", "must not be empty"),
        (b'{"query": " \\n", "documents": ["a"]}', "query", "must not be empty"),
        (b'{"query": "q"}', None, "missing required field documents"),
        (b'{"query": "q", "documents": []}', "documents", "must not be empty"),
        (b'{"query": "q", "documents": "a"}', "documents", "expected array, got str"),
        (b'{"query": "q", "documents": ["a", null]}', "documents[1]", "got null"),
        (b'{"query": "q", "documents": [5]}', "documents[0]", "got int"),
        (b'{"query": "q", "documents": [{"title": "a"}]}', "documents[0]", "an object needs `text`"),
        (b'{"query": "q", "documents": [{"text": null}]}', "documents[0]", "an object needs `text`"),
        (b'{"query": "q", "documents": ["a"], "top_n": -1}', "top_n", "not -1"),
        (b'{"query": "q", "documents": ["a"], "top_n": "many"}', "top_n", "expected int"),
        (b'{"query": "q", "documents": ["a"], "return_documents": "maybe"}', "return_documents", "expected bool"),
    ],
)
def test_json_of_another_shape_names_the_field(body: bytes, param: str | None, words: str) -> None:
    """The message and `param` lead to the place."""
    with pytest.raises(InvalidRequest) as told:
        read(body)
    assert told.value.param == param
    assert words in told.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = ["query", "documents", "top_n", "return_documents", "raw_scores", "model", "x"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_is_read_or_refused_in_words(fields: dict[str, Any]) -> None:
    """Generated bodies end in a job or in an error of ours, never in another exception."""
    with suppress(RerankError):
        read(json.dumps(fields).encode())


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused_in_words(body: bytes) -> None:
    """So do bytes that are no JSON at all."""
    with pytest.raises(RerankError):
        read(body)


@pytest.mark.parametrize(
    "value", ["", "application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"]
)
def test_json_is_accepted_under_its_names(value: str) -> None:
    """So is a body that is declared as nothing."""
    check_headers(value, "")


@pytest.mark.parametrize(
    "value", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_other_content_types_are_refused_by_name(value: str) -> None:
    """curl's default is told what to send instead."""
    with pytest.raises(UnsupportedMediaType, match="send Content-Type: application/json"):
        check_headers(value, "")


def test_a_compressed_body_is_told() -> None:
    """It would else be told that it is no UTF-8."""
    check_headers("application/json", "identity")
    with pytest.raises(UnsupportedMediaType, match="Content-Encoding gzip is not supported"):
        check_headers("application/json", "gzip")


def test_where_json_breaks_is_told_in_lines_and_columns() -> None:
    """A user who wrote the body by hand finds the place."""
    with pytest.raises(MalformedBody, match=r"line 2, column 20"):
        read(b'{"query": "q",\n "documents": ["a" "b"]}')


escapes = st.sampled_from([r"\ud83d", r"\udc3c", r"\uD83D\uDC3C", r"\u0041", r"\\", r"\n", "ud83d", "🐼", "a", r"\""])


@given(st.lists(escapes, max_size=12).map("".join))
def test_any_mix_of_escapes_is_mended_as_python_would(text: str) -> None:
    """The oracle is Python's own JSON, which keeps halves of pairs, with the halves replaced."""
    body = f'{{"query": "q", "documents": ["{text}"]}}'
    whole = json.loads(body)["documents"][0]
    expected = re.sub("[\ud800-\udfff]", "\ufffd", whole)
    assert read(body.encode()).documents == [expected]


def test_mending_keeps_everything_else() -> None:
    """A body with a half pair is read like any other."""
    body = json.dumps({"query": "q\ud800", "documents": ["a\udfff", {"text": "b"}], "top_n": "2", "raw_scores": "true"})
    request = decode(body.encode(), RerankRequest)
    assert msgspec.to_builtins(UNIFIED.to_jobs(request, 99)[0]) == {
        "query": "q\ufffd",
        "documents": ["a\ufffd", "b"],
        "top_n": 2,
        "raw_scores": True,
        "max_chunks_per_doc": 1,
        "overlap_tokens": 0,
        "max_tokens_per_doc": None,
        "truncate": True,
        "truncation_side": "right",
        "priority": 0,
        "model": None,
    }


def test_ignored_fields_of_a_mended_body_are_not_built() -> None:
    """Thirty megabytes of ignored objects and one half pair cost little more than the body itself."""
    body = b'{"query": "\\ud800", "documents": ["a"], "x": [' + b"{}," * 3_000_000 + b"{}]}"
    tracemalloc.start()
    try:
        read(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(body)
