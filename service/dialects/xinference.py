"""`/v1/models` and `/v1/models/{id}`: OpenAI's model list, with the fields that Xinference's clients need."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ListedModel(msgspec.Struct, kw_only=True):
    """A model in OpenAI's list format, with Xinference's fields."""

    id: str
    object: str
    created: Annotated[int, Meta(description="Start time of the server, in seconds since 1970-01-01 UTC.")]
    owned_by: str
    model_type: Annotated[str, Meta(description="Always `rerank`, by which Xinference's clients choose their handle.")]
    model_name: str
    model_uid: str
    model_ability: list[str]
    max_tokens: Annotated[int, Meta(description="Maximum number of tokens per pair.")]
    context_length: Annotated[int, Meta(description="The same as `max_tokens`, under the name that Dify reads.")]


class NeedsKey(msgspec.Struct, kw_only=True):
    """Whether an API key is required, which Xinference's clients check first."""

    auth: bool


class ModelList(msgspec.Struct, kw_only=True):
    """A list in OpenAI's format."""

    object: str
    data: list[ListedModel]
