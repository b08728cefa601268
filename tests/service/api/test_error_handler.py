"""The one place where an error becomes an answer: a bug is told without its trace, and logged with it."""

import logging

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from service.api.error_handler import on_error
from service.errors import Overloaded


@get("/bug", sync_to_thread=False)
def bug() -> None:
    raise RuntimeError("a secret of the inside")


@get("/full", sync_to_thread=False)
def full() -> None:
    raise Overloaded("come back", retry_after_s=7)


def client() -> TestClient[Litestar]:
    return TestClient(Litestar([bug, full], exception_handlers={Exception: on_error}, logging_config=None))


def test_a_bug_is_a_500_whose_trace_is_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    """The client reads a sentence; the operator reads the trace."""
    with client() as asking, caplog.at_level(logging.ERROR):
        answer = asking.get("/bug")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "internal_error"
    assert "secret" not in answer.text
    assert "a secret of the inside" in caplog.text


def test_retry_after_reaches_the_header() -> None:
    """Clients honour the header, not the message."""
    with client() as asking:
        answer = asking.get("/full")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
