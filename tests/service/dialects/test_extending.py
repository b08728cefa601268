"""docs/extending.md holds what it promises: its dialect is added as it says, and served by a real server.

The sources are copied, the page's blocks are put into the copy where the page says, and nothing else is changed.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.server import Server, clean_environ
from tests.support.texts import PASSAGES, QUERY

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "extending.md").read_text()
PATH = "/acme/v1/sort"


def blocks(language: str) -> list[str]:
    """The page's fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def patched(text: str, diff: str) -> str:
    """Apply one of the page's diffs, which shows the lines around an addition."""
    before = "".join(line[1:] for line in diff.splitlines(keepends=True) if not line.startswith("+"))
    after = "".join(line[1:] for line in diff.splitlines(keepends=True))
    assert text.count(before) == 1, f"the catalogue does not hold once:\n{before}"
    return text.replace(before, after)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with Acme's file and Acme's name."""
    root = tmp_path_factory.mktemp("sources")
    for room in ("service", "tests"):
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "pyproject.toml", root)
    (dialect,) = blocks("python")
    (root / "service" / "dialects" / "acme.py").write_text(dialect)
    catalogue = root / "service" / "dialects" / "catalogue.py"
    for diff in blocks("diff"):
        catalogue.write_text(patched(catalogue.read_text(), diff))
    (root / "tests" / "service" / "dialects" / "golden" / "acme_sort.json").write_text(blocks("json")[-1])
    return root


@pytest.fixture(scope="module")
def acme(sources: Path) -> Iterator[Server]:
    with Server(environ={"PYTHONPATH": str(sources)}) as running:
        yield running


def ask(server: Server, **fields: Any) -> Any:
    return server.client.post(PATH, json={"question": QUERY, "passages": PASSAGES} | fields)


def test_its_ranking_is_that_of_every_other_dialect(acme: Server) -> None:
    """In its own words, with the stage times, and counted under its route."""
    results = acme.rerank(QUERY, PASSAGES, top_n=2).json()
    answer = ask(acme, limit=2, engine="acme-2")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "engine": "acme-2",
        "matches": [
            {"passage": result["index"], "relevance": result["relevance_score"]} for result in results["results"]
        ],
        "tokens": results["usage"]["total_tokens"],
    }
    assert answer.headers["server-timing"].startswith("tokenise;dur=")
    assert f'rerank_http_requests_total{{route="{PATH}",status="200"}} 1.0' in acme.client.get("/metrics").text


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"passages": []}, "passages: list of passages must not be empty"),
        ({"passages": ["a"] * 1001}, "the request has 1001 documents, but at most 1000 are allowed"),
        ({"question": " "}, "question: must not be empty"),
        ({"limit": -1}, "limit: must be 0 (for all) or more, not -1"),
        ({"passages": [7]}, "passages[0]: expected str, got int"),
    ],
)
def test_its_errors_are_in_its_words(acme: Server, fields: dict[str, Any], fault: str) -> None:
    """With its own status and the names of its own fields."""
    refused = ask(acme, **fields)
    assert refused.status_code == 400
    assert set(refused.json()) == {"fault", "kind"}
    assert refused.json()["fault"].startswith(fault)


def test_what_is_refused_before_the_body_is_read_is_in_its_words_too(acme: Server) -> None:
    """The headers and the size are checked for every dialect alike."""
    refused = acme.client.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"})
    assert (refused.status_code, refused.json()["kind"]) == (415, "unsupported_media_type")


def test_it_is_described_in_the_openapi_document(acme: Server) -> None:
    """Its types, its examples, its errors; and the example is answered."""
    document = acme.client.get("/docs/openapi.json").json()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    operation = document["paths"][PATH]["post"]
    assert operation["summary"] == "Rerank: Acme"
    schemas = {status: answer["content"]["application/json"] for status, answer in operation["responses"].items()}
    assert {"200", "400", "401", "404", "413", "415", "429", "500", "503", "504"} == set(schemas)
    for status, content in schemas.items():
        wanted = "AcmeResponse" if status == "200" else "AcmeError"
        assert content["schema"]["$ref"] == f"#/components/schemas/{wanted}"
    (example,) = document["components"]["schemas"]["AcmeRequest"]["examples"]
    answer = acme.client.post(PATH, json=example)
    assert (answer.status_code, len(answer.json()["matches"])) == (200, 1)


def test_its_golden_file_passes(sources: Path) -> None:
    """By the test that reads all of them, which fails where a dialect has none."""
    file = sources / "tests" / "service" / "dialects" / "golden" / "acme_sort.json"
    assert run_golden(sources).returncode == 0
    file.unlink()
    lacking = run_golden(sources)
    assert (lacking.returncode, "acme_sort" in lacking.stdout) == (1, True)


def run_golden(sources: Path) -> subprocess.CompletedProcess[str]:
    """Run the golden test of the copy, which needs neither fixtures nor plugins."""
    test = "tests/service/dialects/test_golden.py"
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", test]
    environ = clean_environ() | {"PYTHONPATH": str(sources), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=sources, env=environ, capture_output=True, text=True, timeout=120)
