"""The API page in a real browser, with every other host out of reach."""

import re
import subprocess
from pathlib import Path

from tests.support.browser import QUIET, chromium
from tests.support.server import Server


def test_the_page_names_no_other_host(server: Server) -> None:
    """Neither the page nor its style sheet loads anything from elsewhere."""
    page = server.client.get("/docs").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 4
    assert all(source.startswith(("/docs/assets/", "data:")) for source in sources)
    for source in sources:
        if source.startswith("/"):
            answer = server.client.get(source)
            assert answer.status_code == 200, source
            assert "url(http" not in answer.text


def test_the_page_shows_every_route_without_internet(server: Server, tmp_path: Path) -> None:
    """Swagger UI draws the operations from the document that the server made."""
    command = [
        *(chromium(), "--headless", *QUIET, f"--user-data-dir={tmp_path}"),
        *("--virtual-time-budget=10000", "--dump-dom", f"{server.url}/docs"),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    shown = set(re.findall(r'data-path="([^"]+)"', dom))
    assert shown == set(server.client.get("/docs/openapi.json").json()["paths"])
    assert "Rerank: text-embeddings-inference, or the same as /v1/rerank" in dom
    assert "Unable to render" not in dom
