"""`--host`: what is taken for the base URL of a server, and what is refused in a sentence."""

import pytest

from bench.errors import BenchError, ServerError
from bench.load.host import base_url, check, info
from tests.support.fake_reranker import FakeReranker


@pytest.mark.parametrize(
    ("host", "tags", "expected"),
    [
        ("http://127.0.0.1:8000", (), "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", (), "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000///", (), "http://127.0.0.1:8000"),
        ("  https://rerank.example\n", (), "https://rerank.example"),
        ("https://rerank.example/voyage/", ("voyage",), "https://rerank.example/voyage"),
        ("http://127.0.0.1:8000/v1/rerank", ("rerank",), "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/rerank/", ("rerank",), "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/rerank", ("rerank",), "http://127.0.0.1:8000/rerank"),
        ("http://127.0.0.1:8000/rerank", ("tei",), "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", (), "http://[::1]:8000"),
        ("HTTP://LOCALHOST", (), "HTTP://LOCALHOST"),
        ("https://b\u00fccher.example", (), "https://b\u00fccher.example"),
    ],
)
def test_a_base_url_has_no_slash_space_or_route_at_its_end(host: str, tags: tuple[str, ...], expected: str) -> None:
    """A route is added to it as it is, and only the route of a dialect that is sent is taken from it."""
    assert base_url(host, tags) == expected


@pytest.mark.parametrize("host", [None, "", "   "])
def test_no_host_is_a_sentence(host: str | None) -> None:
    """With the flag that is missing."""
    with pytest.raises(BenchError, match=r"^there is no server to test: give --host http://HOST:PORT"):
        base_url(host)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8000", "localhost", "//localhost:8000", "ftp://localhost", "file:///etc/passwd", "http://"),
        *("http://:8000", "http://localhost:port", "http://localhost:99999", "http://localhost:0", "http://[::1"),
        *("http://::1:8000", "http://localhost:8000?x=1", "http://localhost:8000?", "http://localhost/#top"),
        *("http://local host:8000", "http://localhost:8000/a b", "http://localhost\x00", "http:\\\\localhost"),
    ],
)
def test_what_is_no_base_url_is_named(host: str) -> None:
    """As it was typed."""
    with pytest.raises(BenchError) as caught:
        base_url(host)
    assert str(caught.value).startswith(f"--host {host!r} is not the base URL of a server: give --host http://")


def test_a_password_is_refused_and_not_repeated() -> None:
    """The URL is written into the samples file, and errors are copied into tickets."""
    for host in ("http://me:secret@localhost:8000", "me:secret@local host"):
        with pytest.raises(BenchError, match="must not contain a user name or a password") as caught:
            base_url(host)
        assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_before_the_test(no_one_there: str, reranker: FakeReranker) -> None:
    """Another kind of server is there: what it answers is the test's business."""
    with pytest.raises(ServerError, match=f"no server answers at {no_one_there} .*; start one with `rerank serve`"):
        check(no_one_there, None)
    check(f"{reranker.url}/elsewhere", None)
    check(reranker.url, "key")


def test_only_a_success_is_the_servers_own_information(reranker: FakeReranker, no_one_there: str) -> None:
    """The body of an error is JSON too, and says nothing of the server."""
    assert info(reranker.url, "key") == {"model_id": "fake", "device": "cpu"}
    assert info(f"{reranker.url}/elsewhere", None) is None
    assert info(no_one_there, None) is None
