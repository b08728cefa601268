"""The encoder in torch, cut below its last layer: the trunk, which stays as it is, and the layer that is trained."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tools.embedded.graph import LEAST_IDF, NORM_EPSILON
from tools.embedded.similarity import Ids
from tools.embedded.weights import DENSE, NORMS, Layer, Matrix, Weights

Parameters = dict[str, Tensor]
"""A layer's matrices [in, out], biases and norms, by the names of `Layer`'s fields."""
TOKENS_AT_A_TIME = 4096
SCALE, OFFSET = ".scale", ".offset"


class Text(NamedTuple):
    """A text as the trunk leaves it: half precision, for there are millions of tokens."""

    ids: Ids
    states: npt.NDArray[np.float16]
    """[tokens, width]"""


class Encoded(NamedTuple):
    """Texts behind the last layer, padded to the longest."""

    means: Tensor
    """Unit vectors [texts, width]."""
    tokens: Tensor
    """Unit vectors [texts, tokens, width]."""
    there: Tensor
    """[texts, tokens] bool: no padding."""
    idfs: Tensor
    """[texts, tokens]; 0 for padding."""


def parameters(layer: Layer) -> Parameters:
    """The layer's weights as tensors of their own."""
    found: dict[str, Matrix] = {}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, tuple):
            found |= {f"{field.name}{SCALE}": value[0], f"{field.name}{OFFSET}": value[1]}
        elif field.name != "head_width":
            found[field.name] = value
    return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in found.items()}


def tensors(trained: Parameters, prefix: str) -> dict[str, Matrix]:
    """The same by BertModel's names, as they stand in a weights file; the key's bias is not among them."""
    plain = {name: value.detach().numpy() for name, value in trained.items()}
    found = {}
    for field, name in DENSE.items():
        found[f"{prefix}{name}.weight"] = np.ascontiguousarray(plain[field].T)
        if field != "key":
            found[f"{prefix}{name}.bias"] = plain[f"{field}_bias"]
    for field, name in NORMS.items():
        found |= {f"{prefix}{name}.weight": plain[field + SCALE], f"{prefix}{name}.bias": plain[field + OFFSET]}
    return found


def forward(layer: Parameters, x: Tensor, there: Tensor, head_width: int) -> Tensor:
    """One transformer layer, [texts, tokens, width] to the same; no text sees another, and none its padding."""

    def heads(y: Tensor) -> Tensor:
        return y.unflatten(-1, (-1, head_width)).transpose(1, 2)

    query, key = x @ layer["query"] + layer["query_bias"], x @ layer["key"]
    value = x @ layer["value"] + layer["value_bias"]
    context = functional.scaled_dot_product_attention(
        heads(query), heads(key), heads(value), attn_mask=there[:, None, None]
    )
    attended = context.transpose(1, 2).flatten(2) @ layer["out"] + layer["out_bias"]
    x = _norm(attended + x, layer, "out_norm")
    active = functional.gelu(x @ layer["up"] + layer["up_bias"])
    return _norm(active @ layer["down"] + layer["down_bias"] + x, layer, "down_norm")


def _norm(x: Tensor, layer: Parameters, name: str) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], layer[name + SCALE], layer[name + OFFSET], NORM_EPSILON)


def trunk(weights: Weights, texts: Sequence[Ids]) -> Iterator[tuple[int, Text]]:
    """Run texts through all layers but the last, the shortest first; give each with its place among the texts."""
    below = [parameters(layer) for layer in weights.layers[:-1]]
    scale, offset = (torch.from_numpy(np.array(value)) for value in weights.norm)
    for places in batches([len(ids) for ids in texts]):
        longest = max(len(texts[place]) for place in places)
        x = torch.zeros(len(places), longest, weights.words.shape[1])
        there = torch.zeros(len(places), longest, dtype=torch.bool)
        for row, place in enumerate(places):
            ids = texts[place]
            x[row, : len(ids)] = torch.from_numpy(weights.words[ids] + weights.positions[: len(ids)])
            there[row, : len(ids)] = True
        with torch.inference_mode():
            x = functional.layer_norm(x, x.shape[-1:], scale, offset, NORM_EPSILON)
            for layer in below:
                x = forward(layer, x, there, weights.head_width)
        for row, place in enumerate(places):
            yield place, Text(texts[place], x[row, : len(texts[place])].half().numpy())


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of like length, the shortest first, some thousand tokens at a time."""
    batch: list[int] = []
    for place in np.argsort(lengths, kind="stable").tolist():
        if batch and lengths[place] * (len(batch) + 1) > TOKENS_AT_A_TIME:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def encode(layer: Parameters, texts: Sequence[Text], idfs: Matrix, head_width: int) -> Encoded:
    """Run texts through the last layer, and make of them what the score compares."""
    longest = max(len(text.ids) for text in texts)
    x = np.zeros((len(texts), longest, texts[0].states.shape[1]), np.float32)
    there, weights = np.zeros((len(texts), longest), bool), np.zeros((len(texts), longest), np.float32)
    for row, text in enumerate(texts):
        length = len(text.ids)
        x[row, :length], there[row, :length], weights[row, :length] = text.states, True, idfs[text.ids]
    mask = torch.from_numpy(there)
    states = forward(layer, torch.from_numpy(x), mask, head_width)
    means = functional.normalize((states * mask[..., None]).sum(1), dim=-1)
    return Encoded(means, functional.normalize(states, dim=-1), mask, torch.from_numpy(weights))


def similarities(queries: Encoded, documents: Encoded) -> Tensor:
    """The cosine and the MaxSim by idf of every query with every document, added: [queries, documents]."""
    cosines = queries.means @ documents.means.T
    apart = torch.einsum("qid,pjd->qipj", queries.tokens, documents.tokens)
    best = apart.masked_fill(~documents.there, -1.0).amax(3)  # [queries, tokens, documents]
    weights = queries.idfs / queries.idfs.sum(1, keepdim=True).clamp(min=LEAST_IDF)
    return cosines + (best * weights[..., None]).sum(1)
