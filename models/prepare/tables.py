"""Check a model before it is exported: that its tables hold every id it will be given, and that it is an encoder.

A token id, position or segment id beyond its table ends in an error of the runtime, in the middle of the export or on
the first text that has it. What a config says of the tables has another name in every family, so they are found by
running short pairs and looking at what is read from which table.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from models.pair import Pair, TokenIds
from models.prepare.decoders import decoder_message
from models.prepare.errors import PrepareError, reason
from models.prepare.quiet import quiet
from models.prepare.settle_tokenizer import SettledTokenizer, refuse_beyond_table
from models.prepare.torch_model import has_segments, takes_segments
from models.tokenise import Tokeniser

LENGTHS = ((16, 32), (4, 8))
"""The lengths of the two pairs, in tokens: the first ones that the model can run."""
SAME = 1e-6
"""The largest change of a hidden value that is only the rounding of another order of sums."""


class Lookup(NamedTuple):
    """A table that was read."""

    rows: int
    largest: int
    """The largest index that was read from it."""


class _Lookups(TorchDispatchMode):  # type: ignore[misc]  # torch is not typed here
    """Notes every table that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Lookup] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.embedding.default:
            self.seen.append(Lookup(int(args[0].shape[0]), int(args[1].max())))
        return function(*args, **(kwargs or {}))


def check_tables(model: PreTrainedModel, tokenizer: SettledTokenizer) -> int | None:
    """Check a model's tables against its tokenizer.

    Returns:
        The longest pair in tokens that its table of positions holds; None if it has no such table.

    Raises:
        PrepareError: the tokenizer has ids that a table does not, or the model is a decoder.
    """
    refuse_beyond_table(tokenizer.file, _word_rows(model))
    pair = Tokeniser.open(tokenizer.file, 64).pairs("one two three", ["four five six"])[0]
    _check_segments(model, tokenizer, pair)
    for shorter, longer in LENGTHS:
        try:
            read = [_lookups(model, _repeated(pair, length)) for length in (shorter, longer)]
        except IndexError:
            continue
        except Exception as error:
            raise PrepareError(f"the checkpoint fails on a pair of {longer} tokens: {reason(error)}") from error
        if _sees_only_earlier_tokens(model, _repeated(pair, shorter)):
            raise PrepareError(decoder_message("the checkpoint", type(model).__name__))
        return _longest_pair(read[0], read[1], shorter, longer)
    raise PrepareError(f"the checkpoint's tables do not even hold a pair of {LENGTHS[-1][1]} tokens")


def _longest_pair(of_shorter: Sequence[Lookup], of_longer: Sequence[Lookup], shorter: int, longer: int) -> int | None:
    """Find the tables whose largest index grows with the pair, and the rows from the first position on."""
    pairs = zip(of_shorter, of_longer, strict=False)
    positions = [after for before, after in pairs if after.largest - before.largest == longer - shorter]
    return min((table.rows - (table.largest - (longer - 1)) for table in positions), default=None)


def _check_segments(model: PreTrainedModel, tokenizer: SettledTokenizer, pair: Pair) -> None:
    """Refuse segment ids beyond the model's table, which transformers would fail on."""
    rows, largest = getattr(model.config, "type_vocab_size", None), int(pair.types.max())
    if takes_segments(model) and tokenizer.theirs.feeds_segments and rows and largest >= rows:
        raise PrepareError(
            f"the tokenizer gives a document's tokens the segment id {largest}, but the model has only {rows} "
            f"(type_vocab_size in config.json): tokenizer and model do not belong together; a tokenizer_config.json "
            'whose model_input_names has no "token_type_ids" leaves the segment ids out'
        )


def _sees_only_earlier_tokens(model: PreTrainedModel, pair: Pair) -> bool:
    """Change the last token and look whether the hidden values of the tokens before it stay as they were."""
    other = pair.ids.copy()
    other[-1] = pair.ids[-2] if pair.ids[-2] != pair.ids[-1] else pair.ids[1]
    hidden = [_hidden(model, ids)[0, :-1] for ids in (pair.ids, other)]
    return bool((hidden[0] - hidden[1]).abs().max() <= SAME * max(1.0, float(hidden[0].abs().max())))


def _hidden(model: PreTrainedModel, ids: TokenIds) -> Tensor:
    """Return the last hidden values, [1, tokens, width]."""
    seen: list[Tensor] = []
    hook = model.base_model.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0]))
    try:
        with quiet(), torch.no_grad():
            model(input_ids=torch.from_numpy(ids)[None])
    finally:
        hook.remove()
    return seen[0]


def _lookups(model: PreTrainedModel, pair: Pair) -> list[Lookup]:
    inputs = {"input_ids": torch.from_numpy(pair.ids)[None]}
    if has_segments(model):
        inputs["token_type_ids"] = torch.from_numpy(pair.types)[None]
    lookups = _Lookups()
    with quiet(), torch.no_grad(), lookups:
        model(**inputs)
    return lookups.seen


def _repeated(pair: Pair, tokens: int) -> Pair:
    """Repeat the first and the last two tokens of a pair, so that a longer pair has the same largest ids."""
    ends = [0, 1, -2, -1]
    return Pair(np.resize(pair.ids[ends], tokens), np.resize(pair.types[ends], tokens))


def _word_rows(model: PreTrainedModel) -> int | None:
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (AttributeError, NotImplementedError):  # characters, for one, are hashed
        return None
    return int(rows)
