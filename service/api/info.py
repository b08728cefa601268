"""What the server reports about itself: the served model and the limits, collected once at start-up.

`/info` uses the field names of text-embeddings-inference where that server has them, since clients expect them.
"""

import time
from importlib.metadata import PackageNotFoundError, version

import msgspec

from models.batching import NO_BATCHING
from models.catalogue import card_of
from models.loaded_model import LoadedModel
from service.dialects.tei_predict import LABEL
from service.dialects.xinference import ListedModel, ModelList
from service.engine.reranker import TOKENISE_THREADS
from service.errors import UnknownModel
from service.settings import Settings


class RerankerType(msgspec.Struct, kw_only=True):
    """The labels of a reranker: a single one, under a default name."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class ModelType(msgspec.Struct, kw_only=True):
    """The kind of model; clients look for the key `reranker`."""

    reranker: RerankerType


class ModelInfo(msgspec.Struct, kw_only=True):
    """The served model, how it runs, and the limits on a request."""

    model_id: str
    model_sha: str
    model_dtype: str
    artefact_sha256: str
    """Digest of the served files; it changes when the same weights are prepared again or at another precision."""
    served_model_name: str
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    """1 if the model runs one pair at a time; None if batches are limited by their tokens only."""
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    device: str
    inference_threads: int
    """Number of threads that run the model."""
    licence: str


class ServedModel(msgspec.Struct, frozen=True):
    """The model's names, and the responses of `/info` and `/v1/models`."""

    name: str
    names: tuple[str, ...]
    """All names by which requests may refer to it: its own, its hub id, and the aliases."""
    info: ModelInfo
    listing: ModelList
    usd_per_million_tokens: float | None
    """The price of a hosted service for this model; None if its card has none."""
    keys_required: bool
    """Whether requests must carry an API key."""
    strict: bool
    """Whether requests with other model names are rejected."""

    def listed(self, model: str) -> ListedModel:
        """Describe the model under the name that a request gives; raise UnknownModel if that name is rejected."""
        if self.strict and model not in self.names:
            raise UnknownModel(model, self.names)
        return msgspec.structs.replace(self.listing.data[0], id=model, model_name=model, model_uid=model)


def describe(model: LoadedModel, settings: Settings) -> ServedModel:
    """Collect what the server reports about itself."""
    manifest, session = model.artefact.manifest, model.session
    info = ModelInfo(
        model_id=manifest.source.hub_id,
        model_sha=manifest.source.revision,
        model_dtype=manifest.precision,
        artefact_sha256=model.artefact.sha256,
        served_model_name=manifest.name,
        model_type=ModelType(reranker=RerankerType(id2label={"0": LABEL}, label2id={LABEL: 0})),
        max_concurrent_requests=settings.max_concurrent_requests,
        max_input_length=model.tokeniser.max_tokens,
        max_batch_tokens=session.max_batch_tokens or model.tokeniser.max_tokens,
        max_batch_requests=1 if session.max_batch_tokens == NO_BATCHING else None,
        max_client_batch_size=settings.max_documents,
        auto_truncate=True,
        tokenization_workers=TOKENISE_THREADS,
        version=own_version(),
        sha=None,
        docker_label=None,
        device=session.device.name,
        inference_threads=session.inference_threads,
        licence=manifest.source.licence,
    )
    names = tuple(dict.fromkeys((manifest.name, *settings.model_aliases)))
    hub_id = manifest.source.hub_id
    card = None if manifest.source.is_local else card_of(hub_id)  # a folder may be called anything
    return ServedModel(
        name=manifest.name,
        names=tuple(dict.fromkeys((*names, hub_id))),
        info=info,
        listing=ModelList(object="list", data=[_listed(name, hub_id, info.max_input_length) for name in names]),
        usd_per_million_tokens=None if card is None else card.usd_per_million_tokens,
        keys_required=bool(settings.api_keys or settings.api_keys_file),
        strict=settings.strict_model,
    )


def _listed(name: str, hub_id: str, max_tokens: int) -> ListedModel:
    return ListedModel(
        id=name,
        object="model",
        created=int(time.time()),
        owned_by=hub_id.partition("/")[0],
        model_type="rerank",
        model_name=name,
        model_uid=name,
        model_ability=["rerank"],
        max_tokens=max_tokens,
        context_length=max_tokens,
    )


def own_version() -> str:
    """Return the installed version of this project."""
    try:
        return version("rerank-server")
    except PackageNotFoundError:
        return "unknown"
