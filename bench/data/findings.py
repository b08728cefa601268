"""Findings: what is wrong with a dataset, counted by kind, with the location of the first.

A finding is fatal where no measure could be right (a line that cannot be read, an id that is there twice, a judged
query without text): loading ends with its sentence. Otherwise it makes the labels doubtful and goes into the note of
every result. Nothing is swallowed: `rerank-bench data check` prints them all.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What can be wrong; the value is how a count of it reads."""

    UNREADABLE = "lines that cannot be read"
    EMPTY_FILE = "empty files"
    DUPLICATE_ID = "duplicate ids"
    QUERY_WITHOUT_TEXT = "judged queries without text"
    JUDGED_DIFFERENTLY = "judgements that contradict an earlier one"
    OTHER_SET = "qrels of another dataset"
    EMPTY_DOCUMENT = "documents without text"
    OUTSIDE_CORPUS = "judged documents that are not in the corpus"
    RELEVANT_OUTSIDE = "relevant documents that are not in the corpus"
    NEGATIVE_GRADE = "judgements with a negative grade"
    NOTHING_RELEVANT = "judged queries without a relevant document"
    LABELS = "doubts about the labels"

    @property
    def fatal(self) -> bool:
        """Whether a set with this cannot be used."""
        return self in FATAL


FATAL = frozenset(
    {
        Kind.UNREADABLE,
        Kind.EMPTY_FILE,
        Kind.DUPLICATE_ID,
        Kind.QUERY_WITHOUT_TEXT,
        Kind.JUDGED_DIFFERENTLY,
        Kind.OTHER_SET,
    }
)


@dataclass
class Finding:
    """How often one kind was found, and the sentence of the first time."""

    kind: Kind
    count: int
    first: str


class Findings:
    """The findings of one set, in the order in which their kinds were first met."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, Finding] = {}

    def add(self, kind: Kind, sentence: str, count: int = 1) -> None:
        """Count `count` more of `kind`; only the first sentence is kept."""
        self._by_kind.setdefault(kind, Finding(kind, 0, sentence)).count += count

    def count(self, kind: Kind) -> int:
        """How many of `kind` were found."""
        finding = self._by_kind.get(kind)
        return finding.count if finding else 0

    @property
    def fatal(self) -> list[Finding]:
        """Those with which the set cannot be used."""
        return [finding for finding in self._by_kind.values() if finding.kind.fatal]

    @property
    def doubts(self) -> list[Finding]:
        """Those with which the set can be used and its figures must be doubted."""
        return [finding for finding in self._by_kind.values() if not finding.kind.fatal]
