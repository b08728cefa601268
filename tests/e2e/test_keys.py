"""API keys, strict model names and CORS, on the real server."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api.app import EXPOSED
from tests.support.server import Server, run_rerank
from tests.support.smallest_requests import BODIES, NAMES_MODEL

MESSAGE = "an API key is required: send it as Authorization: Bearer KEY"
OBJECT = {"message": MESSAGE, "type": "unauthorized", "param": None, "code": 401}
REFUSALS: dict[str, Any] = {
    "/v1/rerank": {"error": OBJECT, "message": MESSAGE, "detail": MESSAGE},
    "/rerank": {"error": MESSAGE, "error_type": "Unauthorized", "message": MESSAGE, "detail": MESSAGE},
    "/predict": {"error": MESSAGE, "error_type": "Unauthorized"},
    "/v2/rerank": {"message": MESSAGE},
    "/infinity/rerank": {"error": OBJECT},
    "/v1/score": {"error": OBJECT},
    "/score": {"error": OBJECT},
    "/voyage/v1/rerank": {"detail": MESSAGE},
    "/v1/ranking": {"object": "error", "message": MESSAGE, "detail": MESSAGE, "type": "unauthorized"},
}


@pytest.fixture(scope="module")
def keyed() -> Iterator[Server]:
    """A server with two keys that accepts only its own model's names and requests from pages of one origin."""
    flags = ("--api-keys", "first, second", "--strict-model", "true", "--model-aliases", "rerank-v3.5")
    with Server(*flags, "--cors-origins", "https://app.example") as running:
        yield running


@pytest.fixture(scope="module")
def closed() -> Iterator[Server]:
    """A server whose health and metrics want a key too."""
    closing = {"RERANK_OPEN_HEALTH": "false", "RERANK_OPEN_METRICS": "false", "RERANK_API_KEYS": "first"}
    with Server(environ=closing, headers={"Authorization": "first"}) as running:
        yield running


def key(value: str = "first") -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


@pytest.mark.parametrize("path", BODIES)
def test_without_a_key_each_dialect_refuses_in_its_own_body(keyed: Server, path: str) -> None:
    """401 in the words of the route, before the body is looked at; with a key it is answered."""
    for body in (b"not even JSON", None):
        refused = keyed.client.post(path, content=body) if body else keyed.client.post(path, json=BODIES[path])
        assert (refused.status_code, refused.json()) == (401, REFUSALS[path])
        assert refused.headers["www-authenticate"] == "Bearer"
    assert keyed.client.post(path, json=BODIES[path], headers=key()).status_code == 200
    assert keyed.client.post(path, json=BODIES[path], headers=key("third")).status_code == 401


@pytest.mark.parametrize("path", ["/info", "/v1/models", "/models", "/v1/models/embedded"])
def test_what_tells_of_the_model_wants_a_key(keyed: Server, path: str) -> None:
    """As a ranking does."""
    assert keyed.client.get(path).status_code == 401
    assert keyed.client.get(path, headers={"Authorization": "bearer second"}).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_with_head_are_open_or_closed_alike(keyed: Server, closed: Server, path: str) -> None:
    """Load balancers send them."""
    assert keyed.client.head(path).status_code == 200
    assert closed.client.head(path, headers={"Authorization": ""}).status_code == 401


def test_the_hub_id_is_a_name_of_the_model(keyed: Server) -> None:
    """Where names are strict."""
    hub_id = keyed.client.get("/info", headers=key()).json()["model_id"]
    answer = keyed.client.post("/v1/rerank", json=BODIES["/v1/rerank"] | {"model": hub_id}, headers=key())
    assert (answer.status_code, answer.json()["model"]) == (200, hub_id)


@pytest.mark.parametrize("path", ["/health", "/ping", "/ready", "/v1/health/live", "/v1/health/ready", "/metrics"])
def test_health_and_metrics_are_open_or_closed(keyed: Server, closed: Server, path: str) -> None:
    """Open unless a setting closes them."""
    assert keyed.client.get(path).status_code == 200
    assert closed.client.get(path, headers={"Authorization": ""}).status_code == 401
    assert closed.client.get(path).status_code == 200


def test_models_are_listed_without_a_key_only_where_a_setting_opens_them(keyed: Server) -> None:
    """MTEB's client sends none there."""
    with Server("--api-keys", "k", "--open-models", "true") as running:
        assert running.client.get("/v1/models").status_code == 200
        assert running.client.get("/info").status_code == 401
        assert running.client.get("/v1/models/embedded").status_code == 401


def test_whether_a_key_is_needed_is_told_to_everybody(keyed: Server, server: Server, tmp_path: Path) -> None:
    """Xinference's clients ask before they send one; keys of a file count too."""
    assert keyed.client.get("/v1/cluster/auth").json() == {"auth": True}
    assert server.client.get("/v1/cluster/auth").json() == {"auth": False}
    (tmp_path / "keys").write_text("k\n")
    with Server("--api-keys-file", str(tmp_path / "keys")) as running:
        assert running.client.get("/v1/cluster/auth").json() == {"auth": True}


def test_pages_are_open(closed: Server) -> None:
    """The API page and the playground show nothing of the model."""
    for path in ("/", "/docs", "/docs/openapi.json"):
        assert closed.client.get(path, headers={"Authorization": ""}).status_code == 200


def test_another_model_is_refused_in_the_dialects_body(keyed: Server) -> None:
    """404 with the names that are served; its own, the alias and none are taken."""
    for path, body in BODIES.items():
        if not NAMES_MODEL[path] or "texts" in body:
            continue  # text-embeddings-inference's requests name no model
        refused = keyed.client.post(path, json=body | {"model": "gpt-4"}, headers=key())
        assert refused.status_code == 404, path
        assert "model 'gpt-4' is not served here; available: embedded, rerank-v3.5" in refused.text.replace('\\"', '"')
        for name in ("embedded", "rerank-v3.5", None, ""):
            assert keyed.client.post(path, json=body | {"model": name}, headers=key()).status_code == 200, (path, name)
    assert keyed.client.get("/v1/models/gpt-4", headers=key()).status_code == 404
    listed = keyed.client.get("/v1/models", headers=key()).json()["data"]
    assert [entry["id"] for entry in listed] == ["embedded", "rerank-v3.5"]


def test_a_page_of_the_named_origin_may_ask(keyed: Server) -> None:
    """The preflight needs no key; answers and refusals alike carry the header; other origins get none."""
    asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    preflight = keyed.client.options("/v1/rerank", headers=asking | {"Access-Control-Request-Headers": "authorization"})
    assert preflight.status_code in {200, 204}
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    for headers, status in ((key(), 200), ({}, 401)):
        answer = keyed.client.post("/v1/rerank", json=BODIES["/v1/rerank"], headers=asking | headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "https://app.example")
    assert set(answer.headers["access-control-expose-headers"].split(", ")) == set(EXPOSED)
    other = keyed.client.post(
        "/v1/rerank", json=BODIES["/v1/rerank"], headers={"Origin": "https://evil.example"} | key()
    )
    assert "access-control-allow-origin" not in other.headers


def test_without_the_setting_no_origin_may_ask(server: Server) -> None:
    """Nothing is said to any page."""
    answer = server.client.post("/v1/rerank", json=BODIES["/v1/rerank"], headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", ["X-Request-Timeout-Ms", "X-Envoy-Expected-Rq-Timeout-Ms"])
def test_how_long_a_client_waits_is_a_number_of_milliseconds(server: Server, name: str) -> None:
    """What is none is told; an ample one changes nothing."""
    for value, status in (("60000", 200), ("soon", 422), ("-1", 422), ("0", 422), ("1.5", 422)):
        answer = server.client.post("/v1/rerank", json=BODIES["/v1/rerank"], headers={name: value})
        assert answer.status_code == status, value
    assert "must be a whole number of milliseconds" in answer.text


def test_a_changed_key_file_counts_without_a_restart(tmp_path: Path) -> None:
    """Within the second in which it is looked at again."""
    file = tmp_path / "keys"
    file.write_text("old\n")
    with Server("--api-keys-file", str(file)) as running:
        assert running.client.get("/info", headers=key("old")).status_code == 200
        file.write_text("fresh\n")
        deadline = time.monotonic() + 30
        while running.client.get("/info", headers=key("fresh")).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running.client.get("/info", headers=key("fresh")).status_code == 200
        assert running.client.get("/info", headers=key("old")).status_code == 401


def test_keys_that_cannot_be_are_told_at_the_start(tmp_path: Path) -> None:
    """One message, and no key in it."""
    done = run_rerank("serve", "--port", "0", "--api-keys-file", str(tmp_path / "none"))
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)
    done = run_rerank("serve", "--port", "0", environ={"RERANK_API_KEYS": "secret,,other"})
    assert (done.returncode, "empty entry" in done.stderr, "secret" in done.stderr) == (2, True, False)


@pytest.mark.parametrize(
    ("flags", "loud"),
    [
        (("--host", "0.0.0.0"), True),  # noqa: S104
        (("--host", "0.0.0.0", "--api-keys", "k"), False),  # noqa: S104
        (("--host", "127.0.0.1"), False),
    ],
)
def test_listening_to_everybody_without_keys_is_said_loudly(flags: tuple[str, ...], loud: bool) -> None:
    """A warning at the start, only where it is true."""
    with Server(*flags, environ={"PYTHONUNBUFFERED": "1", "HOME": os.environ.get("HOME", "/")}) as running:
        assert ("without API keys" in running.log()) is loud
