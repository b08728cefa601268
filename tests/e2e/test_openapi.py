"""The OpenAPI document: valid, complete, true.

Oracles: an independent validator, and schemathesis, which sends generated requests and holds every answer against its
schema.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.server import Server
from tests.support.smallest_requests import NAMES_MODEL

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
RANKING = {
    "/v1/rerank": ("RerankRequest", "RerankResponse", "ErrorBody"),
    "/v2/rerank": ("CohereRerankRequest", "RerankResponse", "CohereError"),
    "/predict": ("PredictRequest", None, "TeiError"),
    "/infinity/rerank": ("InfinityRerankRequest", "InfinityRerankResponse", "InfinityError"),
    "/score": ("ScoreRequest", "ScoreResponse", "VllmError"),
    "/v1/score": ("ScoreRequest", "ScoreResponse", "VllmError"),
    "/voyage/v1/rerank": ("VoyageRerankRequest", "VoyageRerankResponse", "VoyageError"),
    "/v1/ranking": ("RankingRequest", "RankingResponse", "NimError"),
}
TELLING = {
    *("/health", "/ping", "/v1/health/live", "/ready", "/v1/health/ready", "/info", "/models", "/v1/models"),
    *("/v1/models/{model}", "/v1/cluster/auth", "/metrics"),
}


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return server.client.get("/docs/openapi.json").json()


def schema_of(content: Any) -> Any:
    (media,) = content["content"].values()
    return media["schema"]


def test_the_document_is_valid(document: Any) -> None:
    """By a validator that is not Litestar's."""
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_described(document: Any) -> None:
    """And nothing in the document leads to another host."""
    assert set(document["paths"]) == {*RANKING, "/rerank", *TELLING}
    assert json.dumps(document).count("http") == json.dumps(document).count("httpx") + 1  # the scheme of the keys


@pytest.mark.parametrize("path", RANKING)
def test_a_ranking_route_names_its_schemas_and_shows_examples(document: Any, path: str) -> None:
    """Request, answer, and each error in the dialect's own body."""
    operation = document["paths"][path]["post"]
    request, response, error = RANKING[path]
    assert f"/schemas/{request}" in json.dumps(schema_of(operation["requestBody"]))
    assert "examples" in json.dumps(schema_of(operation["requestBody"])) + json.dumps(
        document["components"]["schemas"][request]
    )
    statuses = set(operation["responses"])
    assert {"200", "400", "401", "413", "415", "429", "503"} <= statuses
    assert ("404" in statuses) == NAMES_MODEL[path], "where another model can be asked for"
    assert statuses & {"422", "424", "500"}
    for status, answer in operation["responses"].items():
        wanted = response if status == "200" else error
        assert wanted is None or schema_of(answer)["$ref"].endswith(f"/{wanted}")
        (media,) = answer["content"].values()
        assert media["examples"], status


def test_the_route_of_two_dialects_names_both(document: Any) -> None:
    """Either request, either answer, and whichever error body."""
    operation = document["paths"]["/rerank"]["post"]
    assert "404" in operation["responses"], "the one that can name a model may name another"
    request = json.dumps(schema_of(operation["requestBody"]))
    assert ("TeiRerankRequest" in request, "schemas/RerankRequest" in request) == (True, True)
    for status, answer in operation["responses"].items():
        wanted = ("RerankResponse", "Rank") if status == "200" else ("TeiError", "ErrorBody", "EitherError")
        assert all(f'/schemas/{name}"' in json.dumps(schema_of(answer)) for name in wanted)


def test_the_examples_are_answered(server: Server, document: Any) -> None:
    """As they stand: what a reader tries first works."""
    asked = 0
    for path in (*RANKING, "/rerank"):
        content = schema_of(document["paths"][path]["post"]["requestBody"])
        found = content.get("examples") or document["components"]["schemas"][RANKING[path][0]]["examples"]
        for example in found:
            assert server.client.post(path, json=example).status_code == 200, (path, example)
            asked += 1
    assert asked == len(RANKING) + 2


@pytest.mark.parametrize("cases", [300, pytest.param(5_000, marks=pytest.mark.fuzz)])
def test_generated_requests_get_what_the_document_says(
    server: Server, document: Any, cases: int, tmp_path: Path
) -> None:
    """Valid and not: no 5xx, no status, type or body that the document does not name."""
    posts = sum("post" in operations for operations in document["paths"].values())
    command = [
        *(str(SCHEMATHESIS), "run", f"{server.url}/docs/openapi.json", "--checks", CHECKS, "--no-color"),
        *("--phases", "examples,fuzzing", "--max-examples", str(cases * 11 // (10 * posts)), "--seed", "1"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated is not None, done.stdout[-2000:]
    assert int(generated[1]) == int(generated[2]) >= cases
    assert server.client.get("/ready").status_code == 200
