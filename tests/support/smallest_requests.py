"""The smallest request that each ranking route answers."""

from typing import Any

from service.dialects.catalogue import DIALECTS

BODIES: dict[str, Any] = {
    "/v1/rerank": {"query": "q", "documents": ["a"]},
    "/rerank": {"query": "q", "texts": ["a"]},
    "/predict": {"inputs": ["q", "a"]},
    "/v2/rerank": {"query": "q", "documents": ["a"]},
    "/infinity/rerank": {"query": "q", "documents": ["a"]},
    "/v1/score": {"text_1": "q", "text_2": "a"},
    "/score": {"text_1": "q", "text_2": "a"},
    "/voyage/v1/rerank": {"query": "q", "documents": ["a"]},
    "/v1/ranking": {"query": {"text": "q"}, "passages": [{"text": "a"}]},
}

NAMES_MODEL = {path: dialect.names_model for dialect in DIALECTS for path in dialect.paths}
"""Whether requests on a route can name a model."""
