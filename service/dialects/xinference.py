"""`/v1/models` and `/v1/models/{id}`: OpenAI's listing, with what Xinference's clients look for in a rerank model."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ListedModel(msgspec.Struct, kw_only=True):
    """A model as OpenAI's API lists one, described as Xinference does."""

    id: str
    object: str
    created: Annotated[int, Meta(description="Seconds since 1970-01-01 UTC at which the server started.")]
    owned_by: str
    model_type: Annotated[str, Meta(description="`rerank`: what Xinference's clients choose their handle by.")]
    model_name: str
    model_uid: str
    model_ability: list[str]
    max_tokens: Annotated[int, Meta(description="Tokens of a pair at most.")]
    context_length: Annotated[int, Meta(description="The same, under the name that Dify reads.")]


class NeedsKey(msgspec.Struct, kw_only=True):
    """What Xinference's clients ask before they send a key."""

    auth: bool


class ModelList(msgspec.Struct, kw_only=True):
    """A list as OpenAI's API frames one."""

    object: str
    data: list[ListedModel]
