"""The manifest formats, and the conversion of older ones to the current one.

    1  `parity.agreement.company`: the largest difference between a pair's logit alone and in a batch
    2  `parity.agreement.batch_variance`: the same figure under its usual name

A change of format needs the next number, a function here that converts the previous format, and a sample of the
previous format in tests/kept.
"""

from typing import Any

FORMAT = 2
"""The current format, in which manifests are written."""


class NewerFormat(Exception):
    """A manifest was written by a later version of the project."""

    def __init__(self, number: int) -> None:
        super().__init__(f"manifest format {number}, but this version only reads formats 1 to {FORMAT}")


def to_present(raw: dict[str, Any]) -> dict[str, Any]:
    """Convert a manifest of any format, as decoded from JSON, to the current one; raise NewerFormat.

    The content is not validated: a malformed manifest stays malformed.
    """
    number = raw.get("format", 1)
    if not isinstance(number, int):
        return raw
    if number > FORMAT:
        raise NewerFormat(number)
    return _from_1(raw) if number == 1 else raw


def _from_1(raw: dict[str, Any]) -> dict[str, Any]:
    parity = raw.get("parity")
    agreement = parity.get("agreement") if isinstance(parity, dict) else None
    if isinstance(parity, dict) and isinstance(agreement, dict):
        renamed = {"batch_variance" if name == "company" else name: value for name, value in agreement.items()}
        raw = raw | {"parity": parity | {"agreement": renamed}}
    return raw | {"format": 2}
