"""Make the artefact's tokenizer: the encoder's own vocabulary, with the pair laid out as two separate texts.

A BERT pair is `[CLS] q [SEP] d [SEP]`. Here the document gets its own `[CLS]`, because the encoder was trained on
single texts; without it, nDCG@10 on DL19 falls from .64 to .56. The server truncates and pads by itself, so these
settings of the encoder's file (128 tokens, padded) are removed.
"""

import json
from typing import Any

CLS, SEP = "[CLS]", "[SEP]"


def two_texts(content: bytes) -> bytes:
    """Rewrite a BERT tokenizer.json so that a pair is `[CLS]:0 $A:0 [SEP]:0 [CLS]:1 $B:1 [SEP]:1`."""
    tokenizer: dict[str, Any] = json.loads(content)
    tokenizer["truncation"] = None
    tokenizer["padding"] = None
    tokenizer["post_processor"]["single"] = _segment("A", 0)
    tokenizer["post_processor"]["pair"] = _segment("A", 0) + _segment("B", 1)
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def _segment(sequence: str, type_id: int) -> list[dict[str, Any]]:
    return [
        {"SpecialToken": {"id": CLS, "type_id": type_id}},
        {"Sequence": {"id": sequence, "type_id": type_id}},
        {"SpecialToken": {"id": SEP, "type_id": type_id}},
    ]
