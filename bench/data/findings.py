"""Findings: what is wrong with a dataset, counted by kind, with the location of the first.

A finding is fatal if measures could not be correct (an unreadable line, a duplicate id, a judged query without text):
loading then fails with its message. Otherwise it makes the labels doubtful and is noted in every result.
`rerank-bench data check` prints all findings.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kinds of finding; the value is the text that follows a count."""

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

    def counted(self, count: int) -> str:
        """Return a count of this kind, such as "1 empty file" or "2 empty files"."""
        return f"{count} {ONE[self] if count == 1 else self.value}"

    @property
    def fatal(self) -> bool:
        """Whether a dataset with this finding cannot be used."""
        return self in FATAL


ONE = {
    Kind.UNREADABLE: "line that cannot be read",
    Kind.EMPTY_FILE: "empty file",
    Kind.DUPLICATE_ID: "duplicate id",
    Kind.QUERY_WITHOUT_TEXT: "judged query without text",
    Kind.JUDGED_DIFFERENTLY: "judgement that contradicts an earlier one",
    Kind.OTHER_SET: "qrels file of another dataset",
    Kind.EMPTY_DOCUMENT: "document without text",
    Kind.OUTSIDE_CORPUS: "judged document that is not in the corpus",
    Kind.RELEVANT_OUTSIDE: "relevant document that is not in the corpus",
    Kind.NEGATIVE_GRADE: "judgement with a negative grade",
    Kind.NOTHING_RELEVANT: "judged query without a relevant document",
    Kind.LABELS: "doubt about the labels",
}
"""The text that follows a count of 1."""

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
    """One kind of finding: its count and the message of the first occurrence."""

    kind: Kind
    count: int
    first: str


class Findings:
    """The findings on one dataset, in the order in which the kinds first occurred."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, Finding] = {}

    def add(self, kind: Kind, sentence: str, count: int = 1) -> None:
        """Add `count` occurrences of `kind`; only the first message is kept."""
        self._by_kind.setdefault(kind, Finding(kind, 0, sentence)).count += count

    def count(self, kind: Kind) -> int:
        """Return the number of findings of `kind`."""
        finding = self._by_kind.get(kind)
        return finding.count if finding else 0

    @property
    def fatal(self) -> list[Finding]:
        """The findings that make the dataset unusable."""
        return [finding for finding in self._by_kind.values() if finding.kind.fatal]

    @property
    def doubts(self) -> list[Finding]:
        """The findings that make figures on the dataset doubtful."""
        return [finding for finding in self._by_kind.values() if not finding.kind.fatal]
