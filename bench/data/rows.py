"""Rows: the common output of both readers, each with its location for messages.

A document's text is title, space, text, stripped, as in BEIR; a query has no title. Ids are strings whatever their
stored type. An unreadable row is a finding and yields nothing.
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
    """Join title and text as BEIR does; a missing or empty title leaves no space."""
    return f"{title or ''} {text}".strip()
