"""What the hub may answer but the model: each is one sentence that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from models.prepare.fetch import fetch
from tests.support.hub import COMMIT, LIST, Fault, Hub, Repository
from tests.support.repository import ID, MINE, files, refusal


@pytest.mark.parametrize("token", [None, "other"], ids=["without a token", "with the token of somebody else"])
def test_a_gated_model_says_what_to_do(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """Its terms are accepted on its page, by the token's account."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert refusal() == f"{ID} is gated: accept its terms on {hub.url}/{ID} and set HF_TOKEN to a token of that account"


def test_a_token_goes_to_the_hub_and_never_to_the_storage(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gated model is fetched with it."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    monkeypatch.setenv("HF_TOKEN", MINE)
    fetch(ID)
    assert hub.of("the way to model.safetensors")[0].headers["authorization"] == f"Bearer {MINE}"
    assert "authorization" not in hub.of("model.safetensors")[0].headers


@pytest.mark.parametrize(
    ("repository", "options", "why"),
    [
        (
            None,
            {},
            "{url} has no model {id}: check the name (org/name); if it is private, set HF_TOKEN to a token with",
        ),
        (
            Repository({}),
            {"revision": "v9"},
            "{id} has no revision v9: give a branch, a tag or a full commit hash of {url}/{id}",
        ),
        (
            Repository({}, token=MINE),
            {},
            "{url} refused {id} (401): set HF_TOKEN to a valid token with access to {url}/",
        ),
    ],
    ids=["no such model", "no such revision", "a token that is not taken"],
)
def test_what_the_hub_refuses_is_told(
    hub: Hub, cache: Path, repository: Repository | None, options: dict[str, Any], why: str
) -> None:
    """Each with what would be right."""
    hub.repositories = {ID: repository} if repository else {}
    assert refusal(**options).startswith(why.format(url=hub.url, id=ID))


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("model.safetensors", 403, "refused acme/reranker (403): set HF_TOKEN"),
        ("model.safetensors", 404, "has no model acme/reranker"),
        ("model.safetensors", 500, "answered 500 for acme/reranker: model.safetensors; try again later"),
        ("config.json", 403, "refused acme/reranker (403): set HF_TOKEN"),
        ("config.json", 500, "answered 500 for acme/reranker: config.json; try again later"),
        (LIST, 403, "refused acme/reranker (403)"),
        (LIST, 503, "cannot be reached (it answered 503) and acme/reranker at main is not complete in the cache"),
        (LIST, 429, "cannot be reached (it answered 429)"),
    ],
)
def test_a_bad_answer_is_one_sentence(hub: Hub, cache: Path, name: str, status: int, why: str) -> None:
    """Whatever is asked for."""
    hub.faults[name] = Fault(status=status)
    assert why in refusal()


def test_a_mirror_that_lacks_a_file_is_told(hub: Hub, cache: Path) -> None:
    """It lists the file and does not have it."""
    del (repository := hub.repositories[ID]).files["config.json"]  # type: ignore[attr-defined]
    hub.faults[LIST] = Fault(body=json.dumps({"id": ID, "sha": COMMIT, "siblings": _siblings(repository)}).encode())
    assert refusal().startswith(f"{ID} has no config.json at {COMMIT}: check {hub.url}/{ID}, and that HF_ENDPOINT")


def _siblings(repository: Repository) -> list[dict[str, Any]]:
    return [{"rfilename": name, "size": 1} for name in [*repository.files, "config.json"]]


@pytest.mark.parametrize("body", [b"<html>log in first</html>", b'"text"', b"{}"])
def test_an_endpoint_that_is_no_hub_is_told(hub: Hub, cache: Path, body: bytes) -> None:
    """A captive portal, or a mistyped HF_ENDPOINT."""
    hub.faults[LIST] = Fault(body=body)
    assert refusal().startswith(f"{hub.url} cannot be reached (")


def test_a_hub_that_is_down_is_told_with_the_ways_out(hub: Hub, cache: Path) -> None:
    """The network, a mirror, or another machine."""
    hub.stop()
    sentence = refusal()
    assert sentence.startswith(f"{hub.url} cannot be reached (")
    assert sentence.endswith(
        f"{ID} at main is not complete in the cache ({cache}): check the network, set HF_ENDPOINT to a mirror, or "
        f"download the model on another machine and copy the cache"
    )


def test_a_hub_that_does_not_answer_is_given_up(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After HF_HUB_ETAG_TIMEOUT."""
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    hub.faults[LIST] = Fault(stalls_after=0)
    assert "cannot be reached" in refusal()
