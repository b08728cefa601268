"""References: contestants that need no server, between which every reranker stands.

`bm25` keeps the candidates' own order, whatever made them; `oracle` orders them by the judgements, the best that any
reranker could do with these candidates. Equal scores keep candidate order, as everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.records import ContestantNote

BM25, ORACLE = "bm25", "oracle"
REFERENCES = (BM25, ORACLE)


@dataclass(frozen=True)
class Reference:
    """A contestant that is computed."""

    name: str
    kind: str
    """`bm25` or `oracle`."""

    def note(self) -> ContestantNote:
        """What a record tells of this contestant."""
        return ContestantNote(self.name, self.kind, None, None)

    def scores(self, document_ids: Sequence[str], grades: Mapping[str, int]) -> list[float]:
        """One score a candidate, in the order given; `grades` are the query's judgements, unjudged is 0."""
        if self.kind == ORACLE:
            return [float(grades.get(document_id, 0)) for document_id in document_ids]
        return [float(-rank) for rank in range(len(document_ids))]
