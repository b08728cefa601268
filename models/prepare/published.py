"""Published scores of a model, which a prepared model with the true weights must reproduce.

The built-in pairs are from the model's card; a file can add more. Published scores were computed in fp16 by several
programs, so the bounds are wider than those of the parity gates.
"""

import codecs
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models.artefact import Source
from models.prepare.errors import PrepareError

BOUNDS = {"fp32": 0.1, "fp16": 0.15, "int8": 1.0}
"""The maximum difference in logits, by precision."""


class PublishedScore(msgspec.Struct, frozen=True):
    """A pair with its published logit."""

    query: str
    document: str
    logit: float
    source: str


class Comparison(msgspec.Struct, frozen=True):
    """A published score and the computed one."""

    query: str
    document: str
    published: float
    found: float


_CARD = "FlagEmbedding's examples of BAAI/bge-reranker-v2-m3, raw logits, fp16"
_PANDA = (
    "The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear species "
    "endemic to China."
)
BY_HUB_ID = {
    "BAAI/bge-reranker-v2-m3": (
        PublishedScore("query", "passage", -5.65234375, _CARD),
        PublishedScore("what is panda?", "hi", -8.1875, _CARD),
        PublishedScore("what is panda?", _PANDA, 5.26171875, _CARD),
    )
}
"""The built-in scores, by hub id, which are checked if no file of scores is given."""


def scores_of(source: Source) -> list[PublishedScore]:
    """List the built-in published scores of a model."""
    return list(BY_HUB_ID.get(source.hub_id, ()))


def read(path: Path) -> list[PublishedScore]:
    """Read published scores from a JSON list.

    An entry has `source`, and either `pairs` ([query, document] each) with `logits` or `sigmoid`, or `query` and
    `texts` with `sigmoid`. Entries of any other form are skipped.

    Raises:
        PrepareError: the file is not such a list, or has no entry of these forms.
    """
    try:
        entries = msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8), type=list[dict[str, Any]])
        scores = [score for entry in entries for score in _scores(entry)]
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise PrepareError(f"{path} is not a list of published scores: {error}") from None
    if not scores:
        raise PrepareError(f"{path} has no entry with pairs and logits or with query, texts and sigmoid")
    return scores


def compare(scores: Sequence[PublishedScore], logit: Callable[[str, str], float]) -> list[Comparison]:
    """Score the published pairs and return both scores of each."""
    return [
        Comparison(score.query, score.document, score.logit, float(logit(score.query, score.document)))
        for score in scores
    ]


def failures(comparisons: Sequence[Comparison], precision: str) -> list[str]:
    """Return a message for each published score that is not met."""
    bound = BOUNDS[precision]
    return [
        f"published logit {one.published:.3f} of {one.query!r} with {one.document[:40]!r} is more than {bound:g} away "
        f"from the computed one, {one.found:.3f}"
        for one in comparisons
        if not abs(one.published - one.found) <= bound
    ]


def _scores(entry: dict[str, Any]) -> list[PublishedScore]:
    pairs = entry.get("pairs") or [[entry.get("query"), text] for text in entry.get("texts", ())]
    logits = entry.get("logits") or [math.log(p / (1 - p)) for p in entry.get("sigmoid", ())]
    if not pairs or not logits:
        return []
    source = str(entry.get("source", ""))
    return [
        msgspec.convert({"query": query, "document": text, "logit": logit, "source": source}, PublishedScore)
        for (query, text), logit in zip(pairs, logits, strict=True)
    ]
