"""The bench's dialects by name."""

from collections.abc import Mapping
from types import MappingProxyType

from bench.contestants import (
    cohere,
    contextual,
    infinity,
    jina,
    mixedbread,
    nim,
    rerank,
    tei,
    vllm,
    vllm_score,
    voyage,
    zeroentropy,
)
from bench.contestants.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        module.DIALECT.name: module.DIALECT
        for module in (
            *(rerank, tei, infinity, vllm, vllm_score, nim),
            *(cohere, jina, voyage, zeroentropy, contextual, mixedbread),
        )
    }
)
