"""The true client, in this process, against a hub of the tests' own."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from tests.support.hub import Hub, Repository
from tests.support.repository import CHUNK, ID, files


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({ID: Repository(files())}) as running:
        yield running


@pytest.fixture
def cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client in this process, pointed at the hub as HF_ENDPOINT and HF_HUB_CACHE do, with an empty cache."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    for waiting in (file_download, huggingface_hub.utils._http):
        monkeypatch.setattr(waiting, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    huggingface_hub.close_session()
    yield tmp_path / "cache"
    huggingface_hub.close_session()
