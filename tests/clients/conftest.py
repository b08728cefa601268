"""The servers that the clients talk to, which tests run in which environment, and the bar to all beyond loopback."""

import contextlib
import json
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.clients.expected import DOCUMENTS, KEY, QUERY
from tests.clients.loopback import hold, quieten
from tests.support.server import Server

RERANK = Path(__file__).parents[2] / ".venv" / "bin" / "rerank"
"""The server is the project's own, from its own environment."""
ENVIRONMENTS = {
    "clients": {"cohere", "golden", "haystack", "litellm", "offline", "rerankers", "snippets", "voyage", "xinference"},
    "clients-2": {"cohere", "infinity", "langchain", "llama_index", "offline", "snippets", "voyage"},
    "clients-3": {"aiperf", "mteb", "offline"},
}
"""The test files of each environment, which is that of the requirement file of its name."""
OCCUPIED_WITHIN_S = 30
ASKED = pytest.StashKey[list[str]]()
"""Other machines that somebody asked for."""


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run with a test file that no environment runs; hold the process here before it imports any client."""
    environment = Path(sys.prefix).name
    if environment not in ENVIRONMENTS:
        raise pytest.UsageError(f"these tests run by `make test-clients`, not in {sys.prefix}")
    run = set().union(*ENVIRONMENTS.values())
    here = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    if here != run:
        raise pytest.UsageError(f"ENVIRONMENTS and the test files differ: {here ^ run}")
    quieten()
    hold(config.stash.setdefault(ASKED, []))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files whose clients live in another environment."""
    name = collection_path.stem
    if not name.startswith("test_"):
        return None
    return name.removeprefix("test_") not in ENVIRONMENTS[Path(sys.prefix).name] or None


@pytest.fixture(autouse=True)
def asked(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The other machines that the test asked for: it fails if there are any, even if the client bore the refusal."""
    hosts = request.config.stash[ASKED]
    hosts.clear()
    yield hosts
    assert hosts == []


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Open to everybody, takes any model's name."""
    with Server(rerank=RERANK) as running:
        yield running


@pytest.fixture(scope="session")
def closed() -> Iterator[Server]:
    """Wants KEY, and knows no model but MODEL."""
    with Server("--api-keys", f"another,{KEY}", "--strict-model", "true", rerank=RERANK) as running:
        yield running


@pytest.fixture(scope="session")
def listing() -> Iterator[Server]:
    """Wants KEY, but lists its models to everybody."""
    with Server("--api-keys", KEY, "--open-models", "true", rerank=RERANK) as running:
        yield running


@pytest.fixture(scope="session")
def narrow() -> Iterator[Server]:
    """Has room for one request at a time."""
    with Server("--max-concurrent-requests", "1", rerank=RERANK) as running:
        yield running


@pytest.fixture
def occupied(narrow: Server) -> Callable[[], AbstractContextManager[Server]]:
    """The narrow server while its only place is taken: whoever asks meanwhile is told 429."""
    return lambda: _occupy(narrow)


@contextlib.contextmanager
def _occupy(server: Server) -> Iterator[Server]:
    body = json.dumps({"query": QUERY, "documents": [f"{n} " + "bamboo " * 400 for n in range(1000)]}).encode()
    head = ["POST /v1/rerank HTTP/1.1", "Host: here", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection(("127.0.0.1", server.port)) as guest:
        guest.sendall("\r\n".join([*head, "", ""]).encode() + body)
        deadline = time.monotonic() + OCCUPIED_WITHIN_S
        while 'rerank_requests_in_flight{model="embedded"} 1' not in server.client.get("/metrics").text:
            assert time.monotonic() < deadline, "the server never took the request that should occupy it"
            time.sleep(0.02)
        yield server


@pytest.fixture(scope="session")
def logits(server: Server) -> list[float]:
    """The documents' logits in their order, asked without any client."""
    return server.scores(QUERY, DOCUMENTS, raw_scores=True)


@pytest.fixture(scope="session")
def scores(logits: list[float]) -> list[float]:
    """The documents' relevance in their order: what every client must be told is the sigmoid of the logits."""
    return [1 / (1 + math.exp(-logit)) for logit in logits]
