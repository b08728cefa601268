"""Rows: the common output of both readers, each with its location for messages.

A document's text is title, space, text, stripped, as in BEIR; a query has no title. Ids are strings whatever their
stored type, and a grade is a whole number in any notation. An unreadable row is a finding and yields nothing.
"""

from dataclasses import dataclass
from decimal import Decimal

GREATEST_GRADE = 10_000
"""trec_eval's time for one query's nDCG grows with the square of the highest grade: 7 ms at 1,000, 0.2 s at 10,000, 2 s
at 30,000. At 400 million it needs 3 GB, and grades of 2^31 and more come out as 0 or end the process."""
MOST_SHOWN = 40
"""Characters of a damaged grade in a message."""


@dataclass(frozen=True)
class Text:
    """One document or query."""

    location: str
    id: str
    text: str


@dataclass(frozen=True)
class Judgement:
    """One line of qrels."""

    location: str
    query_id: str
    document_id: str
    grade: int


def to_grade(stored: object) -> int:
    """Return a stored grade, such as 1, 1.0, "1", "1.00" or True, as a whole number.

    Raises:
        ValueError: it is not a whole number, or its size is above `GREATEST_GRADE`.
    """
    number = _number(stored)
    if number is None or not number.is_finite() or number != number.to_integral_value():
        raise ValueError(f"the grade {_shown(stored)} is not a whole number")
    if not -GREATEST_GRADE <= number <= GREATEST_GRADE:
        greatest = f"{GREATEST_GRADE:,}"
        raise ValueError(
            f"the grade {_shown(stored)} is outside -{greatest} to {greatest}: map the grades to a smaller scale"
        )
    return int(number)


def is_number(text: str) -> bool:
    """Tell whether `text` is a number in any notation, NaN and infinity included."""
    return _number(text) is not None


def _number(stored: object) -> Decimal | None:
    if not isinstance(stored, str | int | float | Decimal) or (isinstance(stored, str) and "_" in stored):
        return None
    try:
        return Decimal(stored)  # exact, where float would round 0.99999999999999999 to 1
    except ArithmeticError:
        return None


def _shown(stored: object) -> str:
    whole = str(stored) if isinstance(stored, Decimal) else repr(stored)
    return whole if len(whole) <= MOST_SHOWN else f"{whole[:MOST_SHOWN]}…"


def joined(title: str | None, text: str) -> str:
    """Join title and text as BEIR does; a missing or empty title leaves no space."""
    return f"{title or ''} {text}".strip()
