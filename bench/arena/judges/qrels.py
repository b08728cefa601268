"""The qrels judge: the list with the better nDCG@10 wins. Deterministic, and needs no network.

nDCG@10 follows trec_eval's definition, as everywhere in the bench; values closer than 1e-9 are a tie. The order of the
lists does not matter, so every match is presented once.
"""

from collections.abc import Mapping, Sequence

from tqdm import tqdm

from bench.accuracy import measures
from bench.accuracy.measures import PRIMARY
from bench.arena.entrants import Entrants
from bench.arena.judges.judge import missing, sha256
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, Presentation
from bench.arena.records import JudgeNote, Verdict

TIE = 1e-9


class QrelsJudge:
    """A judge that uses the judgements of the datasets."""

    top = 10
    note = JudgeNote(
        "qrels", "qrels", f"the better {PRIMARY} wins; within {TIE:g} it is a tie", {"measure": PRIMARY, "tie": TIE}
    )

    def __init__(self, entrants: Mapping[str, Entrants]) -> None:
        """Measure every contestant's rankings."""
        self._values = {
            (name, contestant): _values(of_dataset, run.rankings)
            for name, of_dataset in entrants.items()
            for contestant, run in of_dataset.runs.items()
        }
        self._grades = {
            (name, query_id): sha256(sorted(grades.items()))
            for name, of_dataset in entrants.items()
            for query_id, grades in of_dataset.dataset.qrels.items()
        }

    def presentations(self, match: Match) -> Sequence[Presentation]:
        """Return one presentation, of both top tens and the query's grades."""
        grades = self._grades[match.dataset, match.query_id]
        return [Presentation(match, "a", sha256(match.shown("a", self.top), match.shown("b", self.top), grades))]

    def judge(self, matches: Sequence[Match], ledger: BallotLedger) -> None:
        """Compare the values."""
        for presentation in tqdm(missing(self, matches, ledger), "qrels", unit="match", disable=None):
            ledger.append(presentation.ballot(self._verdict(presentation.match)))

    def _verdict(self, match: Match) -> Verdict:
        a, b = (self._values[match.dataset, name][match.query_id] for name in (match.a, match.b))
        if abs(a - b) <= TIE:
            return "tie"
        return "a" if a > b else "b"


def _values(entrants: Entrants, rankings: Mapping[str, tuple[str, ...] | None]) -> dict[str, float]:
    answered = {query_id: ranking for query_id, ranking in rankings.items() if ranking is not None}
    dataset = entrants.dataset
    return measures.per_query(dataset.qrels, answered, dataset.relevance_level)[PRIMARY]
