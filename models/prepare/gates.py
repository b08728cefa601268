"""The parity gates: measures of agreement between an artefact and its reference, and the bounds of each precision.

Logits of different models have different scales, so differences are measured relative to `spread`, the standard
deviation of the reference's logits over the pairs. Rank agreement (Kendall's tau-b, Kendall 1945, and the overlap of
the top 10) is measured in every length class with 20 pairs or more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from models.pair import Logits

RANKED = 20
"""The minimum number of pairs in a class for which rank agreement is measured."""
TOP = 10


class ClassAgreement(msgspec.Struct, frozen=True):
    """Agreement within one length class; differences in logits; no rank agreement if there are too few pairs."""

    pairs: int
    worst: float
    mean: float
    kendall_tau: float | None = None
    top_10: float | None = None


class Agreement(msgspec.Struct, frozen=True):
    """Agreement over all pairs; `worst`, `mean` and `batch_variance` in logits."""

    pairs: int
    spread: float
    worst: float
    mean: float
    kendall_tau: float
    """The lowest value of all classes."""
    top_10: float
    """The lowest value of all classes."""
    batch_variance: float | None
    """The largest difference between a pair's logit in a single run and in a batch; None if batches are not used."""
    classes: dict[str, ClassAgreement]


class Gate(NamedTuple):
    """The bounds of one precision; differences are relative to the spread."""

    worst: float
    mean: float
    kendall_tau: float
    top_10: float
    batch_variance: float


GATES = {
    "fp32": Gate(worst=0.005, mean=0.001, kendall_tau=0.995, top_10=1.0, batch_variance=0.005),
    "fp16": Gate(worst=0.1, mean=0.02, kendall_tau=0.97, top_10=0.9, batch_variance=0.05),
    "int8": Gate(worst=0.5, mean=0.1, kendall_tau=0.9, top_10=0.8, batch_variance=0.02),
}


LABELS = {"worst": "worst difference", "mean": "mean difference", "batch_variance": "batch variance"}
"""The names of the difference gates in messages."""


def measure(lengths: Sequence[int], expected: Logits, actual: Logits, batch_variance: float | None) -> Agreement:
    """Measure the agreement of an artefact with its reference.

    Args:
        lengths: the length class of each pair.
        expected: the reference's logits, [pairs].
        actual: the artefact's logits, [pairs].
        batch_variance: the largest difference of a pair's logit between a single run and a batch, if measured.
    """
    kinds = np.asarray(lengths)
    classes = {str(kind): _of_class(expected[kinds == kind], actual[kinds == kind]) for kind in sorted(set(lengths))}
    difference = np.abs(expected - actual)
    return Agreement(
        pairs=len(expected),
        spread=float(np.std(expected)),
        worst=float(difference.max()),
        mean=float(difference.mean()),
        kendall_tau=min((one.kendall_tau for one in classes.values() if one.kendall_tau is not None), default=1.0),
        top_10=min((one.top_10 for one in classes.values() if one.top_10 is not None), default=1.0),
        batch_variance=batch_variance,
        classes=classes,
    )


def failures(agreement: Agreement, precision: str) -> list[str]:
    """Return a message, with value and bound, for each gate of a precision that an agreement fails."""
    gate, spread = GATES[precision], agreement.spread
    messages = []
    for name, label in LABELS.items():
        value, bound = getattr(agreement, name), getattr(gate, name)
        # NaN fails too
        if value is not None and not value <= bound * spread:
            messages.append(f"{label} {value:.4g} exceeds {bound:g} x {spread:.4g}, the logits' standard deviation")
    for name in ("kendall_tau", "top_10"):
        value, bound = getattr(agreement, name), getattr(gate, name)
        if not value >= bound:
            messages.append(f"{name} {value:.3f} is below {bound:g}")
    return messages


def kendall_tau(expected: Logits, actual: Logits) -> float:
    """Return Kendall's tau-b of two score lists; if either has only equal scores, 1.0 if both do and 0.0 otherwise."""
    left = np.sign(expected[:, None] - expected[None])
    right = np.sign(actual[:, None] - actual[None])
    norm = float(np.sqrt(np.sum(left**2) * np.sum(right**2)))
    if norm == 0:
        return float(np.array_equal(left, right))
    return float(np.sum(left * right)) / norm


def top_shared(expected: Logits, actual: Logits, top: int = TOP) -> float:
    """Return the share of the reference's `top` best pairs that are also among the artefact's `top` best."""
    best = [set(np.argsort(-scores, kind="stable")[:top].tolist()) for scores in (expected, actual)]
    return len(best[0] & best[1]) / len(best[0])


def _of_class(expected: Logits, actual: Logits) -> ClassAgreement:
    difference = np.abs(expected - actual)
    ranked = len(expected) >= RANKED
    return ClassAgreement(
        pairs=len(expected),
        worst=float(difference.max()),
        mean=float(difference.mean()),
        kendall_tau=kendall_tau(expected, actual) if ranked else None,
        top_10=top_shared(expected, actual) if ranked else None,
    )
