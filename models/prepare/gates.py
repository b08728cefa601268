"""How far an artefact may be from its reference: the measures, and what each precision must reach.

Logits of different models have different scales, so differences are counted in `spread`s: the standard deviation of
the reference's logits over the pairs. Rank agreement (Kendall's tau-b, Kendall 1945; the ten best shared) is taken in
every length class of 20 pairs or more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from models.pair import Logits

RANKED = 20
"""Pairs that a class must have for its order to say something."""
TOP = 10


class ClassAgreement(msgspec.Struct, frozen=True):
    """Agreement within one length class; differences in logits, nothing about order where there are too few pairs."""

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
    """The lowest of the classes'."""
    top_10: float
    """The lowest of the classes'."""
    batch_variance: float | None
    """Worst difference between a pair's logit in a run of its own and in a batch; None where there are no batches."""
    classes: dict[str, ClassAgreement]


class Gate(NamedTuple):
    """Bounds of one precision; differences in spreads."""

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
"""How the messages name the gates of differences."""


def measure(lengths: Sequence[int], expected: Logits, actual: Logits, batch_variance: float | None) -> Agreement:
    """Measure agreement.

    Args:
        lengths: length class of each pair.
        expected: the reference's logits, [pairs].
        actual: the artefact's, [pairs].
        batch_variance: worst difference between a pair in a run of its own and in a batch, if it was measured.
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
    """Say which gates of a precision an agreement does not pass, each with its figure and its bound."""
    gate, spread = GATES[precision], agreement.spread
    messages = []
    for name, label in LABELS.items():
        value, bound = getattr(agreement, name), getattr(gate, name)
        # a difference that is no number fails too
        if value is not None and not value <= bound * spread:
            messages.append(f"{label} {value:.4g} exceeds {bound:g} x {spread:.4g}, the logits' standard deviation")
    for name in ("kendall_tau", "top_10"):
        value, bound = getattr(agreement, name), getattr(gate, name)
        if not value >= bound:
            messages.append(f"{name} {value:.3f} is below {bound:g}")
    return messages


def kendall_tau(expected: Logits, actual: Logits) -> float:
    """Kendall's tau-b of two score lists; 1.0 where either has no order at all and both agree in that."""
    left = np.sign(expected[:, None] - expected[None])
    right = np.sign(actual[:, None] - actual[None])
    norm = float(np.sqrt(np.sum(left**2) * np.sum(right**2)))
    if norm == 0:
        return float(np.array_equal(left, right))
    return float(np.sum(left * right)) / norm


def top_shared(expected: Logits, actual: Logits, top: int = TOP) -> float:
    """Share of the reference's best that are among the artefact's best."""
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
