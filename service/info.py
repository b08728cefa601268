"""What the server tells of itself: the served model and the limits, made once at start.

`/info` keeps the field names of text-embeddings-inference where that server has them, since clients look for them
there.
"""

import time
from importlib.metadata import PackageNotFoundError, version

import msgspec

from models.plan import ONE_PAIR
from models.scorer import Scorer
from service.settings import Settings


class RerankerType(msgspec.Struct, kw_only=True):
    """The labels of a reranker: one, without a name."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class ModelType(msgspec.Struct, kw_only=True):
    """The kind of model; its key is what clients look for."""

    reranker: RerankerType


class ModelInfo(msgspec.Struct, kw_only=True):
    """The served model, how it runs, and the limits on a request."""

    model_id: str
    model_sha: str
    model_dtype: str
    served_model_name: str
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    """1: every pair is run alone; None: batches are bounded by their tokens only."""
    max_client_batch_size: int
    auto_truncate: bool
    version: str
    device: str
    lanes: int
    licence: str


class ListedModel(msgspec.Struct, kw_only=True):
    """A model as OpenAI's API lists one."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelList(msgspec.Struct, kw_only=True):
    """A list as OpenAI's API frames one."""

    object: str
    data: list[ListedModel]


class ServedModel(msgspec.Struct, frozen=True):
    """The model's name with what `/info` and `/v1/models` answer."""

    name: str
    info: ModelInfo
    listing: ModelList


def describe(scorer: Scorer, settings: Settings) -> ServedModel:
    """Gather what the server tells of itself."""
    manifest = scorer.artefact.manifest
    info = ModelInfo(
        model_id=manifest.source.hub_id,
        model_sha=manifest.source.revision,
        model_dtype=manifest.precision,
        served_model_name=manifest.name,
        model_type=ModelType(reranker=RerankerType(id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})),
        max_concurrent_requests=settings.max_concurrent_requests,
        max_input_length=scorer.tokeniser.max_tokens,
        max_batch_tokens=scorer.session.max_batch_tokens or scorer.tokeniser.max_tokens,
        max_batch_requests=1 if scorer.session.max_batch_tokens == ONE_PAIR else None,
        max_client_batch_size=settings.max_documents,
        auto_truncate=True,
        version=own_version(),
        device=scorer.session.device,
        lanes=scorer.session.lanes,
        licence=manifest.source.licence,
    )
    owner = manifest.source.hub_id.partition("/")[0]
    listed = ListedModel(id=manifest.name, object="model", created=int(time.time()), owned_by=owner)
    return ServedModel(manifest.name, info, ModelList(object="list", data=[listed]))


def own_version() -> str:
    """This project's version, as installed."""
    try:
        return version("rerank-server")
    except PackageNotFoundError:
        return "unknown"
