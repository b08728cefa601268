"""Fixtures of the datasets' tests: a local server of files."""

from collections.abc import Iterator

import pytest

from tests.support.file_server import FileServer
from tests.support.running import running


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(FileServer()) as server:
        yield server
