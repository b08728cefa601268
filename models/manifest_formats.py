"""The formats that a manifest has had, each read as the present one.

    1  `parity.agreement.company`: the worst difference between a pair alone and in a batch
    2  `parity.agreement.batch_variance`: the same figure under the field's own name

A change of the manifest's form gets the next number, a function here that brings the format before to it, and a sample
of the format before in tests/kept.
"""

from typing import Any

FORMAT = 2
"""The format that is written."""


class NewerFormat(Exception):
    """A manifest that a later version of the project wrote."""

    def __init__(self, number: int) -> None:
        super().__init__(f"manifest format {number}, and this version reads formats 1 to {FORMAT}")


def to_present(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring a manifest of any format, as decoded from JSON, to the present one; raise NewerFormat.

    The form itself is not checked: what is malformed stays malformed.
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
