"""Replace the attention of transformers' models by ONNX Runtime's fused operator before they are exported.

transformers accepts any registered function as a model's attention; ours writes one `MultiHeadAttention` node instead
of the dozen nodes of the exporter. This is safe for encoders whose tokens all attend to each other (`FULL_ATTENTION`);
all other models are exported unchanged.

ONNX Runtime's fast kernels (tiled on the CPU, flash attention on CUDA) take no mask. A graph for one unpadded pair per
run needs none. In a graph for padded batches every head is `PADDING_COLUMNS` wider instead, with a 1 in the query and
`-APART` (after scaling) in the keys of padding tokens. Their share of the attention is then about e^-50, which is
nothing in fp32. (APART is not 100 because e^-100 is a denormal number, and those are slow.)
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

FULL_ATTENTION = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra"})
"""The `model_type` of architectures with full attention, in which only padding is masked."""
FUSED = "rerank_fused"
PADDING_COLUMNS = 8
"""One column would be enough, but CUDA's kernels need a head width that is a multiple of 8."""
APART = 50.0


class Exportable(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A model with the inputs and output of our graphs, with fused attention if `fused` and a mask if `masked`."""

    def __init__(self, model: PreTrainedModel, *, fused: bool, masked: bool) -> None:
        super().__init__()
        self.model = model
        self._fused = fused
        self._masked = masked
        if fused:
            ALL_ATTENTION_FUNCTIONS.register(FUSED, self._attend)
        model.set_attn_implementation(FUSED if fused else "eager")

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return logits [batch, 1]; the inputs are int64 [batch, sequence], with segments for BERT-like models."""
        self._mask = attention_mask
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        mask = None if self._fused else attention_mask
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=mask, **segments).logits
        return logits.to(torch.float32)

    def _attend(
        self,
        _: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *__: object,
        scaling: float | None = None,
        **___: Any,
    ) -> tuple[Tensor, None]:
        """Write one attention node for tensors of shape [batch, heads, sequence, width]."""
        batch, heads, sequence, width = query.shape
        scale = scaling or width**-0.5
        if self._masked:
            ones = torch.ones_like(query[..., :1])
            padding = (self._mask[:, None, :, None].to(key.dtype) - 1) * (APART / scale)
            query, key = _widen(query, ones), _widen(key, padding.expand_as(ones))
        context = torch.onnx.ops.symbolic(
            "com.microsoft::MultiHeadAttention",
            [_flat(query), _flat(key), _flat(value)],
            {"num_heads": heads, "scale": scale},
            dtype=query.dtype,
            shape=(batch, sequence, heads * width),
            version=1,
        )
        return context.reshape(batch, sequence, heads, width), None


def _widen(x: Tensor, column: Tensor) -> Tensor:
    rest = torch.zeros_like(column).expand(*column.shape[:-1], PADDING_COLUMNS - 1)
    return torch.cat([x, column, rest], -1)


def _flat(x: Tensor) -> Tensor:
    batch, heads, sequence, width = x.shape
    return x.transpose(1, 2).reshape(batch, sequence, heads * width)
