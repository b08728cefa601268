"""LiteLLM's `rerank`, by each of its providers that this server speaks."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import litellm
import pytest

from tests.clients.expected import DOCUMENTS, KEY, MODEL, ORDER, QUERY, assert_ranked
from tests.support.server import Server


class Provider(NamedTuple):
    """What a user writes for a provider."""

    model: str
    path: str
    gives_logits: bool = False


PROVIDERS = {
    "cohere": Provider(f"cohere/{MODEL}", ""),
    "cohere v1": Provider(f"cohere/{MODEL}", "/v1/rerank"),
    "jina_ai": Provider(f"jina_ai/{MODEL}", ""),
    "infinity": Provider(f"infinity/{MODEL}", "/infinity"),
    "hosted_vllm": Provider(f"hosted_vllm/{MODEL}", ""),
    "huggingface": Provider(f"huggingface/{MODEL}", ""),
    "voyage": Provider(f"voyage/{MODEL}", "/voyage/v1"),
    "nvidia_nim": Provider(f"nvidia_nim/ranking/{MODEL}", "", gives_logits=True),
}
EVERY = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())


HUB = "huggingface.co"


@pytest.fixture(autouse=True)
def _no_price_from_the_hub(asked: list[str]) -> Iterator[None]:
    """For its provider huggingface LiteLLM looks the model up at the hub, and bears it that nobody answers."""
    yield
    asked[:] = [host for host in asked if host != HUB]


def rerank(server: Server, provider: Provider, key: str = "any", **fields: Any) -> Any:
    asked = {"query": QUERY, "documents": DOCUMENTS} | fields
    return litellm.rerank(model=provider.model, api_base=server.url + provider.path, api_key=key, **asked)


def ranked(answer: Any) -> list[tuple[int, float]]:
    return [(result["index"], result["relevance_score"]) for result in answer.results]


@EVERY
def test_ranks(server: Server, scores: list[float], logits: list[float], provider: Provider) -> None:
    """The right order with the server's scores."""
    assert_ranked(ranked(rerank(server, provider)), logits if provider.gives_logits else scores)


@EVERY
def test_top_n(server: Server, scores: list[float], logits: list[float], provider: Provider) -> None:
    """`top_n` limits the answer, also where the dialect itself has no such field (NIM, LiteLLM cuts there)."""
    answer = rerank(server, provider, top_n=2)
    assert_ranked(ranked(answer), logits if provider.gives_logits else scores, top_n=2)


@EVERY
def test_returned_documents_are_objects_with_text(server: Server, provider: Provider) -> None:
    """LiteLLM asks for them unless it is told not to; Cohere's v2 has none."""
    answer = rerank(server, provider)
    texts = [result["document"]["text"] for result in answer.results if "document" in result]
    assert texts == ([] if provider is PROVIDERS["cohere"] else [DOCUMENTS[index] for index in ORDER])


@pytest.mark.parametrize("name", ["cohere v1", "jina_ai", "infinity", "hosted_vllm", "huggingface", "voyage"])
def test_no_document_comes_unless_asked(server: Server, name: str) -> None:
    """`return_documents=False`."""
    answer = rerank(server, PROVIDERS[name], return_documents=False)
    assert not any("document" in result for result in answer.results)


@pytest.mark.parametrize("name", ["cohere", "cohere v1", "jina_ai", "infinity", "hosted_vllm", "voyage", "nvidia_nim"])
def test_the_costs_are_filled(server: Server, name: str) -> None:
    """The search units or tokens that LiteLLM prices by, as far as the dialect has them."""
    billed = rerank(server, PROVIDERS[name]).meta["billed_units"]
    assert (billed.get("search_units") or billed.get("total_tokens") or 0) > 0


@EVERY
def test_ranks_with_asyncio(server: Server, scores: list[float], logits: list[float], provider: Provider) -> None:
    """`arerank`."""
    answer = asyncio.run(
        litellm.arerank(
            model=provider.model,
            api_base=server.url + provider.path,
            api_key="any",
            query=QUERY,
            documents=DOCUMENTS,
        )
    )
    assert_ranked(ranked(answer), logits if provider.gives_logits else scores)


@pytest.mark.parametrize("name", ["cohere v1", "jina_ai", "hosted_vllm"])
def test_object_documents(server: Server, scores: list[float], name: str) -> None:
    """`{"text": …}` is ranked as its text."""
    answer = rerank(server, PROVIDERS[name], documents=[{"text": text} for text in DOCUMENTS])
    assert_ranked(ranked(answer), scores)


@EVERY
def test_a_key_opens(closed: Server, scores: list[float], logits: list[float], provider: Provider) -> None:
    """However the provider spells its header."""
    assert_ranked(ranked(rerank(closed, provider, KEY)), logits if provider.gives_logits else scores)


@EVERY
def test_a_wrong_key_is_an_authentication_error(closed: Server, provider: Provider) -> None:
    """LiteLLM's own, by the status."""
    with pytest.raises(litellm.exceptions.AuthenticationError, match="API key"):
        rerank(closed, provider, "sk-wrong")


@EVERY
def test_a_bad_request_is_a_bad_request_error(server: Server, provider: Provider) -> None:
    """LiteLLM's own, with the server's sentence."""
    with pytest.raises(litellm.exceptions.BadRequestError, match="must not be empty"):
        rerank(server, provider, query=" ")


@EVERY
def test_a_full_server_is_a_rate_limit_error(
    occupied: Callable[[], AbstractContextManager[Server]], provider: Provider
) -> None:
    """LiteLLM's own, on which its router goes to another server."""
    with occupied() as full, pytest.raises(litellm.exceptions.RateLimitError):
        rerank(full, provider)
