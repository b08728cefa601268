"""MTEB's wrapper for a reranker behind an API; its rerankers score one document a request."""

from typing import Any

import mteb
import numpy as np
import pytest
from mteb.models import OpenAIAPIRerankWrapper

from tests.clients.expected import ANY_MODEL, DOCUMENTS, KEY, MODEL, QUERY
from tests.support.server import Server

TASK = mteb.get_task("SciFact").metadata


def predict(model: Any, query: str = QUERY) -> Any:
    batches = [{"text": [query] * len(DOCUMENTS)}], [{"text": DOCUMENTS}]
    return model.predict(*batches, task_metadata=TASK, hf_split="test", hf_subset="default", show_progress_bar=False)


@pytest.mark.parametrize("name", [MODEL, ANY_MODEL])
def test_scores_pairs(server: Server, scores: list[float], name: str) -> None:
    """Each document's score is that of a request with all of them: no score depends on its company."""
    assert np.allclose(predict(OpenAIAPIRerankWrapper(server.url, name)), scores, atol=1e-5)


def test_finds_the_model_listed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """It asks `/v1/models` first, and warns of a model that is not there."""
    OpenAIAPIRerankWrapper(server.url, MODEL)
    assert "not found" not in caplog.text
    OpenAIAPIRerankWrapper(server.url, ANY_MODEL)
    assert f"'{ANY_MODEL}' not found in server. Available models: ['{MODEL}']" in caplog.text


def test_a_key_opens_and_another_does_not(listing: Server, scores: list[float]) -> None:
    """It asks `/v1/models` without its key, hence `--open-models`; then it sends `Bearer KEY`."""
    assert np.allclose(predict(OpenAIAPIRerankWrapper(listing.url, MODEL, KEY)), scores, atol=1e-5)
    with pytest.raises(RuntimeError, match=r"Server rejected request to /v1/rerank \(401\): .*API key"):
        predict(OpenAIAPIRerankWrapper(listing.url, MODEL, "sk-wrong"))


def test_without_open_models_it_takes_the_server_for_gone(closed: Server) -> None:
    """Which is why the setting is there."""
    with pytest.raises(ConnectionError, match="401"):
        OpenAIAPIRerankWrapper(closed.url, MODEL, KEY)


def test_a_bad_request_is_told(server: Server) -> None:
    """As its RuntimeError, at once, with the server's sentence."""
    with pytest.raises(RuntimeError, match=r"Server rejected request to /v1/rerank \(422\): .*must not be empty"):
        predict(OpenAIAPIRerankWrapper(server.url, MODEL), query=" ")
