"""The qrels judge: the list with the better nDCG@10 wins. Deterministic, and needs no network.

nDCG@10 by trec_eval's definition, as everywhere in the bench; values closer than 1e-9 are a tie. It shows no lists,
so it has no position bias and looks once at every match.
"""

from collections.abc import Mapping, Sequence

from tqdm import tqdm

from bench.accuracy import measures
from bench.arena.entrants import Arena
from bench.arena.judges.judge import ballot, missing, sha256
from bench.arena.ledger import Ledger
from bench.arena.matches import Match
from bench.arena.records import JudgeNote, Side, Verdict

MEASURE = "nDCG@10"
TIE = 1e-9


class QrelsJudge:
    """Judges by the judgements of the datasets."""

    top = 10
    note = JudgeNote(
        "qrels", "qrels", f"the better {MEASURE} wins; within {TIE:g} it is a tie", {"measure": MEASURE, "tie": TIE}
    )

    def __init__(self, field: Mapping[str, Arena]) -> None:
        """Measure every contestant's rankings."""
        self._field = field
        self._values = {
            (name, contestant): _values(arena, run.rankings)
            for name, arena in field.items()
            for contestant, run in arena.runs.items()
        }
        self._grades = {
            (name, query_id): sha256(sorted(grades.items()))
            for name, arena in field.items()
            for query_id, grades in arena.dataset.qrels.items()
        }

    def looks(self, match: Match) -> Sequence[tuple[Side, str]]:
        """One look, at both top tens and the query's grades."""
        grades = self._grades[match.dataset, match.query_id]
        return [("a", sha256(match.shown("a", self.top), match.shown("b", self.top), grades))]

    def judge(self, matches: Sequence[Match], ledger: Ledger) -> None:
        """Compare the values."""
        for match, first, shown in tqdm(missing(self, matches, ledger), "qrels", unit="match", disable=None):
            ledger.append(ballot(match, first, shown, self._verdict(match)))

    def _verdict(self, match: Match) -> Verdict:
        a, b = (self._values[match.dataset, name][match.query_id] for name in (match.a, match.b))
        if abs(a - b) <= TIE:
            return "tie"
        return "a" if a > b else "b"


def _values(arena: Arena, rankings: Mapping[str, tuple[str, ...] | None]) -> dict[str, float]:
    answered = {query_id: ranking for query_id, ranking in rankings.items() if ranking is not None}
    dataset = arena.dataset
    return measures.per_query(dataset.qrels, answered, dataset.relevance_level)[MEASURE]
