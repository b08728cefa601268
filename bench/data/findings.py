"""Findings: what is wrong with a dataset, counted by kind, with the location of the first.

A finding is fatal if measures could not be correct (an unreadable line, a duplicate id, a judged query without text):
loading then fails with its message. A doubt is noted in every result, because it makes the labels or the texts
doubtful. A remark changes no figure's meaning. `rerank-bench data check` prints all three.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kinds of finding; the value is the text that follows a count."""

    UNREADABLE = "lines that cannot be read"
    NOT_TEXT = "files that are not UTF-8 text"
    GRADE = "grades that cannot be used"
    EMPTY_FILE = "empty files"
    DUPLICATE_ID = "duplicate ids"
    QUERY_WITHOUT_TEXT = "judged queries without text"
    JUDGED_DIFFERENTLY = "judgements that contradict an earlier one"
    OTHER_SET = "qrels of another dataset"
    ALL_IRRELEVANT = "qrels without a relevant document"
    EMPTY_DOCUMENT = "documents without text"
    OUTSIDE_CORPUS = "judged documents that are not in the corpus"
    RELEVANT_OUTSIDE = "relevant documents that are not in the corpus"
    NEGATIVE_GRADE = "judgements with a negative grade"
    NOTHING_RELEVANT = "judged queries without a relevant document"
    LABELS = "doubts about the labels"
    IDENTICAL_DOCUMENT = "documents with the text of an earlier one"
    JUDGED_AGAIN = "judgements that repeat an earlier one"
    OWN_ID = "relevant documents with the id of their query"

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
    Kind.ALL_IRRELEVANT: "qrels file without a relevant document",
    Kind.EMPTY_DOCUMENT: "document without text",
    Kind.OUTSIDE_CORPUS: "judged document that is not in the corpus",
    Kind.RELEVANT_OUTSIDE: "relevant document that is not in the corpus",
    Kind.NEGATIVE_GRADE: "judgement with a negative grade",
    Kind.NOTHING_RELEVANT: "judged query without a relevant document",
    Kind.LABELS: "doubt about the labels",
    Kind.NOT_TEXT: "file that is not UTF-8 text",
    Kind.GRADE: "grade that cannot be used",
    Kind.IDENTICAL_DOCUMENT: "document with the text of an earlier one",
    Kind.JUDGED_AGAIN: "judgement that repeats an earlier one",
    Kind.OWN_ID: "relevant document with the id of its query",
}
"""The text that follows a count of 1."""

FATAL = frozenset(
    {
        Kind.UNREADABLE,
        Kind.NOT_TEXT,
        Kind.GRADE,
        Kind.EMPTY_FILE,
        Kind.DUPLICATE_ID,
        Kind.QUERY_WITHOUT_TEXT,
        Kind.JUDGED_DIFFERENTLY,
        Kind.OTHER_SET,
        Kind.ALL_IRRELEVANT,
    }
)
REMARKS = frozenset({Kind.IDENTICAL_DOCUMENT, Kind.JUDGED_AGAIN, Kind.OWN_ID})


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
    def damage(self) -> int:
        """The number of occurrences that make the dataset unusable."""
        return sum(finding.count for finding in self.fatal)

    @property
    def fatal(self) -> list[Finding]:
        """The findings that make the dataset unusable."""
        return [finding for finding in self._by_kind.values() if finding.kind.fatal]

    @property
    def doubts(self) -> list[Finding]:
        """The findings that make figures on the dataset doubtful."""
        return [finding for finding in self._by_kind.values() if not finding.kind.fatal and finding.kind not in REMARKS]

    @property
    def remarks(self) -> list[Finding]:
        """The findings that leave the dataset and its figures as good as they are."""
        return [finding for finding in self._by_kind.values() if finding.kind in REMARKS]
