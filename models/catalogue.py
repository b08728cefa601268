"""The catalogue of known models: what is known of each without its files.

Revisions are pinned wherever they could be confirmed, so that two machines prepare the same bytes. The embedded model
is always available.
"""

from pathlib import Path

import msgspec

from models.artefact import Precision

EMBEDDED = Path(__file__).parent / "embedded"
"""The artefact folder of the small model that ships with the project."""
EMBEDDED_PRECISION: Precision = "int8"


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a model that are known without its files."""

    name: str
    hub_id: str
    revision: str
    """The commit to fetch by default."""
    licence: str
    parameters: int
    max_tokens: int
    released: str
    """ISO date."""
    usd_per_million_tokens: float | None = None
    """The price of a hosted service, for comparison; None if unknown."""
    remote_code: bool = False
    """Whether the architecture exists only as code in the repository. Such code is never run, so an ONNX graph is
    needed."""


CARDS = (
    ModelCard(
        name="embedded",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        revision="main",  # it ships with the project and is never fetched
        licence="Apache-2.0",
        parameters=22_713_216,
        max_tokens=512,
        released="2021-08-30",
    ),
    ModelCard(
        name="bge-reranker-v2-m3",
        hub_id="BAAI/bge-reranker-v2-m3",
        revision="953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e",
        licence="Apache-2.0",
        parameters=567_755_777,
        max_tokens=8192,
        released="2024-03-18",
        usd_per_million_tokens=0.020,
    ),
    ModelCard(
        name="bge-reranker-base",
        hub_id="BAAI/bge-reranker-base",
        revision="2cfc18c9415c912f9d8155881c133215df768a70",
        licence="MIT",
        parameters=278_044_417,
        max_tokens=512,
        released="2023-09-12",
    ),
    ModelCard(
        name="bge-reranker-large",
        hub_id="BAAI/bge-reranker-large",
        revision="55611d7bca2a7133960a6d3b71e083071bbfc312",
        licence="MIT",
        parameters=559_891_457,
        max_tokens=512,
        released="2023-09-12",
    ),
    ModelCard(
        name="ms-marco-MiniLM-L6-v2",
        hub_id="cross-encoder/ms-marco-MiniLM-L6-v2",
        revision="c5ee24cb16019beea0893ab7796b1df96625c6b8",
        licence="Apache-2.0",
        parameters=22_713_601,
        max_tokens=512,
        released="2021-04-15",
    ),
    ModelCard(
        name="ms-marco-MiniLM-L12-v2",
        hub_id="cross-encoder/ms-marco-MiniLM-L12-v2",
        revision="7b0235231ca2674cb8ca8f022859a6eba2b1c968",
        licence="Apache-2.0",
        parameters=33_360_385,
        max_tokens=512,
        released="2021-04-15",
    ),
    ModelCard(
        name="mxbai-rerank-xsmall-v1",
        hub_id="mixedbread-ai/mxbai-rerank-xsmall-v1",
        revision="b5c6e9da73abc3711f593f705371cdbe9e0fe422",
        licence="Apache-2.0",
        parameters=70_830_337,
        max_tokens=512,
        released="2024-02-29",
    ),
    ModelCard(
        name="mxbai-rerank-base-v1",
        hub_id="mixedbread-ai/mxbai-rerank-base-v1",
        revision="800f24c113213a187e65bde9db00c15a2bb12738",
        licence="Apache-2.0",
        parameters=184_422_913,
        max_tokens=512,
        released="2024-02-29",
    ),
    ModelCard(
        name="jina-reranker-v1-turbo-en",
        hub_id="jinaai/jina-reranker-v1-turbo-en",
        revision="b8c14f4e723d9e0aab4732a7b7b93741eeeb77c2",
        licence="Apache-2.0",
        parameters=37_771_777,
        max_tokens=8192,
        released="2024-04-18",
        remote_code=True,
    ),
    ModelCard(
        name="gte-multilingual-reranker-base",
        hub_id="Alibaba-NLP/gte-multilingual-reranker-base",
        revision="8215cf04918ba6f7b6a62bb44238ce2953d8831c",
        licence="Apache-2.0",
        parameters=305_959_681,
        max_tokens=8192,
        released="2024-07-25",
        remote_code=True,
    ),
)


def card_of(model: str) -> ModelCard | None:
    """Find a model's card by name or hub id; the embedded model only by name, since it differs from its source."""
    for card in CARDS:
        if model == card.name or (model == card.hub_id and card.name != "embedded"):
            return card
    return None
