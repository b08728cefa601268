"""The client snippets of the README and of docs/clients.md, run as they stand but for the port."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.expected import KEY
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/clients.md")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
INPUTS, *ON_THE_PAGE = PYTHON.findall((ROOT / "docs/clients.md").read_text())
SNIPPETS = [*ON_THE_PAGE, *PYTHON.findall((ROOT / "README.md").read_text())]
HERE = "http://localhost:8000"
CLIENTS = {"cohere", "haystack", "infinity_client", "langchain_cohere", "litellm", "llama_index"}
"""The package that each snippet starts with: one that is not listed here runs nowhere."""


def package(snippet: str) -> str:
    """The package whose client a snippet shows."""
    return snippet.split()[1].partition(".")[0]


def best(result: Any, documents: list[str]) -> str:
    """The text of a client's first result: by its index or by itself."""
    index = result["index"] if isinstance(result, dict) else getattr(result, "index", None)
    if index is not None:
        return documents[index]
    return str(getattr(result, "content", None) or result.node.text)


@pytest.mark.parametrize("snippet", [one for one in SNIPPETS if importlib.util.find_spec(package(one))], ids=package)
def test_the_snippet_ranks(server: Server, snippet: str) -> None:
    """Two results, and the one about bamboo is the first."""
    names: dict[str, Any] = {}
    assert HERE in snippet
    exec(INPUTS + snippet.replace(HERE, server.url), names)  # noqa: S102 - it is what readers are told to run
    assert len(names["results"]) == 2
    assert best(names["results"][0], names["documents"]) == "The giant panda eats bamboo."


def test_every_client_has_a_snippet() -> None:
    """Six of them, each in an environment of these tests; none has a key in it."""
    assert {package(snippet) for snippet in SNIPPETS} == CLIENTS
    assert not any(KEY in (ROOT / page).read_text() for page in PAGES)
