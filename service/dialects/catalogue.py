"""All dialects that have a route; those listed here are served, described in the OpenAPI document and tested."""

from service.dialects.cohere import COHERE
from service.dialects.dialect import AnyDialect
from service.dialects.either import EITHER
from service.dialects.infinity import INFINITY
from service.dialects.nim import NIM
from service.dialects.tei_predict import TEI_PREDICT
from service.dialects.unified import UNIFIED
from service.dialects.vllm import VLLM
from service.dialects.voyage import VOYAGE

DIALECTS: tuple[AnyDialect, ...] = (
    UNIFIED,
    EITHER,
    TEI_PREDICT,
    COHERE,
    INFINITY,
    VLLM,
    VOYAGE,
    NIM,
)
