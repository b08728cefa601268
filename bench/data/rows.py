"""Rows: what the readers of both forms give, each with its location for messages.

A document's text is title, space, text, stripped, as BEIR joins them; a query has no title. Ids are text whatever
type they were stored as. A row that cannot be understood is a finding and gives nothing.
"""

from dataclasses import dataclass


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


def joined(title: str | None, text: str) -> str:
    """BEIR's text of a document; a title that is absent or empty leaves no space."""
    return f"{title or ''} {text}".strip()
