"""Fixtures that every room's tests share."""

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, sync_playwright

from models.catalogue import EMBEDDED
from models.scorer import Scorer
from tests.support.browser import QUIET, chromium
from tests.support.server import Server

collect_ignore_glob = [] if find_spec("torch") else ["*/with_torch/test_*.py"]
"""Without torch these cannot even be imported; `make test-prepare` installs it."""

END_TO_END = Path(__file__).parent / "e2e"
SLOW_FIXTURES = {"browser", "data_dir", "known_server", "results", "server"}
"""A test with one of these waits for a process, reads real data or takes part in a whole benchmark run."""

hypothesis.settings.register_profile("untimed", deadline=None)  # the machines are shared: no test is timed
hypothesis.settings.load_profile("untimed")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what `make test-fast` leaves out; a single test that is slow for another reason bears the mark itself."""
    fixtures = getattr(item, "fixturenames", ())
    if SLOW_FIXTURES.intersection(fixtures) or item.path.is_relative_to(END_TO_END):
        item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data that RERANK_DATA names; without it the test is skipped."""
    root = os.environ.get("RERANK_DATA")
    if not root:
        pytest.skip("RERANK_DATA is not set: this test needs the real data")
    return Path(root)


@pytest.fixture(scope="session")
def real_pairs(data_dir: Path) -> list[tuple[str, str]]:
    """5,000 real MS MARCO query and passage pairs."""
    pairs: list[list[str]] = json.loads((data_dir / "load" / "msmarco_pairs_5000.json").read_text())
    return [(query, passage) for query, passage in pairs]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The real server with the embedded model and no settings, shared by the tests that only talk to it."""
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def scorer() -> Iterator[Scorer]:
    """The embedded model in this process."""
    with Scorer.open(EMBEDDED, device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module: Playwright holds the thread's event loop for as long as it runs."""
    path = chromium()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield opened
        opened.close()
