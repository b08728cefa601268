"""References: contestants without a server, as lower and upper reference for every reranker.

`bm25` keeps the candidates' own order, whatever their source; `oracle` sorts them by the judgements, the best result
possible with these candidates. Equal scores keep candidate order, as everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.records import ContestantNote

BM25, ORACLE = "bm25", "oracle"
REFERENCES = (BM25, ORACLE)


@dataclass(frozen=True)
class Reference:
    """A contestant whose rankings are computed without a server."""

    name: str
    kind: str
    """`bm25` or `oracle`."""

    def note(self) -> ContestantNote:
        """The description of this contestant in a record."""
        return ContestantNote(self.name, self.kind, None, None)

    def scores(self, document_ids: Sequence[str], grades: Mapping[str, int]) -> list[float]:
        """Return one score per candidate in the given order; `grades` are the query's judgements, unjudged is 0."""
        if self.kind == ORACLE:
            return [float(grades.get(document_id, 0)) for document_id in document_ids]
        return [float(-rank) for rank in range(len(document_ids))]
