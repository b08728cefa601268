"""Fixtures of the tests in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.screen import Screen
from tests.support.server import Server


@pytest.fixture
def screen(browser: Browser, server: Server) -> Iterator[Screen]:
    context = browser.new_context()
    opened = Screen(context.new_page(), server.url)
    yield opened
    assert opened.broken == []
    context.close()
