"""Validation of the fields that the dialects have in common: queries, documents and counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from service.errors import EmptyInput, InvalidRequest, TooManyDocuments

Document = str | dict[str, Any]
"""A document in a request: a text, or an object with `text` or with the fields named in `rank_fields`."""


def query_text(query: str, field: str = "query") -> str:
    """Return the query; raise EmptyInput if it is blank."""
    if not query.strip():
        raise EmptyInput(f"{field}: must not be empty", param=field)
    return query


def check_count(documents: Sequence[Any], most: int, field: str = "documents") -> None:
    """Raise EmptyInput if there is no document, TooManyDocuments if there are more than `most`.

    Called before the documents are processed, since a body may hold millions.
    """
    if not documents:
        raise EmptyInput(f"{field}: list of {field} must not be empty", param=field)
    if len(documents) > most:
        raise TooManyDocuments(len(documents), most, param=field)


def document_texts(documents: Sequence[Document], rank_fields: Sequence[str] | None) -> list[str]:
    """Return the texts to score, in the documents' order; raise InvalidRequest naming an invalid document."""
    return [
        document if isinstance(document, str) else _object_text(document, rank_fields, f"documents[{index}]")
        for index, document in enumerate(documents)
    ]


def document_object(document: Document, rank_fields: Sequence[str] | None) -> dict[str, Any]:
    """Return a document as an object that always has `text`, the field that clients read."""
    if isinstance(document, str):
        return {"text": document}
    has_text = isinstance(document.get("text"), str)
    return document if has_text else document | {"text": _object_text(document, rank_fields, "documents")}


def _object_text(document: Mapping[str, Any], rank_fields: Sequence[str] | None, where: str) -> str:
    fields = rank_fields or ["text"]
    values = [document[field] for field in fields if document.get(field) is not None]
    if not values:
        wanted = " or ".join(fields) if rank_fields else "`text`, or rank_fields must name the fields to rank by"
        raise InvalidRequest(f"{where}: an object needs {wanted}", param=where)
    if not rank_fields and not isinstance(values[0], str):
        raise InvalidRequest(f"{where}.text: expected str", param=f"{where}.text")
    return "\n".join(value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values)


def at_least(least: int, field: str, value: int | None, *, means: str) -> int:
    """Return a number of at least `least`, the default; `means` explains the default in the error message."""
    if value is not None and value < least:
        raise InvalidRequest(f"{field}: must be {least} ({means}) or more, not {value}", param=field)
    return least if value is None else value


def top_n(value: int | None, field: str = "top_n") -> int | None:
    """Return the requested number of results; None for all if it is absent, null or 0."""
    return at_least(0, field, value, means="for all") or None
