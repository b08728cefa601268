"""Datasets: texts and one split of judgements, read from BEIR's format or Parquet and checked.

Resolves a dataset's name to its folder and defines what makes a dataset usable. Every judged query has a text and ids
are unique; violations are errors with file and line. Findings that only make the labels doubtful are counted, and noted
in every result.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import beir, catalogue, parquet
from bench.data.files import Files, corpus_hint, is_dataset, locate
from bench.data.findings import Finding, Findings, Kind
from bench.data.rows import Judgement, Text
from bench.errors import DataError
from bench.records import DatasetNote
from bench.wording import are, counted

ALL = "all"
SAMPLE = Path(__file__).parents[1] / "sample"
GRADED_FROM = 3
"""A split whose grades reach 3 uses TREC Deep Learning's scale (0 irrelevant, 1 related, 2 highly, 3 perfectly
relevant), whose binary measures count from 2 (Craswell et al., Overview of the TREC 2019 Deep Learning Track, 3.2)."""

Qrels = dict[str, dict[str, int]]
"""Query id to document id to grade."""


@dataclass(frozen=True)
class Dataset:
    """A dataset's texts and one split of its judgements."""

    name: str
    split: str
    folder: Path
    documents: dict[str, str]
    queries: dict[str, str]
    """The judged queries only, in the order of the qrels."""
    qrels: Qrels
    sha256: str
    doubts: list[Finding] = field(default_factory=list)
    """Reasons to doubt the labels or the texts."""

    @property
    def relevance_level(self) -> int:
        """The lowest grade that counts as relevant in binary measures: 2 on a scale up to 3, otherwise 1."""
        return 2 if self.highest_grade >= GRADED_FROM else 1

    @property
    def highest_grade(self) -> int:
        """The highest grade of the split."""
        return max(grade for judged in self.qrels.values() for grade in judged.values())

    def may_be_candidate(self, query_id: str, document_id: str) -> bool:
        """Tell whether a document may be a candidate of a query.

        A document with the query's own id may not, as in BEIR's evaluation: ArguAna's corpus contains its queries. But
        if the document is judged relevant, the equal ids are a coincidence of two numberings.
        """
        return document_id != query_id or self.qrels[query_id].get(document_id, 0) > 0

    def note(self) -> DatasetNote:
        """The description of this dataset in a record."""
        entry = catalogue.find(self.name)
        counts = Counter({finding.kind: finding.count for finding in self.doubts})
        return DatasetNote(
            name=self.name,
            split=self.split,
            documents=len(self.documents),
            judged_queries=len(self.qrels),
            empty_documents=counts[Kind.EMPTY_DOCUMENT],
            judgements_outside_corpus=counts[Kind.OUTSIDE_CORPUS],
            relevance_level=self.relevance_level,
            sha256=self.sha256,
            labels=entry.labels if entry else None,
            human_labels=entry.human_labels if entry else None,
            doubts=[finding.first for finding in self.doubts],
        )


def find(name: str, data_root: Path | None) -> Path:
    """Return the folder of a dataset: a path, `sample`, or a name under the data root or its `beir` folder."""
    folders = [Path(name)]
    folders += [SAMPLE] if name == SAMPLE.name else []
    folders += [data_root / name, data_root / "beir" / name] if data_root else []
    for folder in folders:
        if is_dataset(folder):
            return folder
    searched = " or ".join(dict.fromkeys(str(folder) for folder in folders))
    hint = "" if data_root else ", and RERANK_DATA is not set"
    entry = catalogue.find(name)
    get = f"; download it with `rerank-bench data fetch {name}`" if entry and entry.sources else ""
    found = "".join(corpus_hint(folder) for folder in folders)
    raise DataError(
        f"no dataset {name!r}: there is no corpus.jsonl and no Parquet corpus in {searched}{hint}{found}{get}"
    )


def find_all(data_root: Path | None) -> list[Path]:
    """Return all dataset folders under the data root and its `beir` folder, by name; DataError if there are none."""
    roots = [data_root, data_root / "beir"] if data_root else []
    folders = [folder for root in roots if root.is_dir() for folder in sorted(root.iterdir()) if is_dataset(folder)]
    if not folders:
        raise DataError(f"RERANK_DATA is not a folder with datasets: {data_root or 'it is not set'}")
    return folders


def find_each(names: Iterable[str], data_root: Path | None) -> list[Path]:
    """Return the folders of the named datasets without duplicates; `all` means all under the data root."""
    folders: list[Path] = []
    for name in names:
        folders += find_all(data_root) if name == ALL else [find(name, data_root)]
    return list(dict.fromkeys(folders))


def load(folder: Path, split: str = "test") -> Dataset:
    """Read and check the dataset in `folder`; DataError with file and line if it is damaged."""
    dataset, findings = examine(folder, split)
    if not findings.fatal:
        return dataset
    first = findings.fatal[0]
    further = findings.damage - 1
    more = f" ({further} more: `rerank-bench data check {folder}`)" if further else ""
    raise DataError(f"{first.first}{more}")


def examine(folder: Path, split: str = "test") -> tuple[Dataset, Findings]:
    """Read the dataset and collect everything that is wrong with it.

    The dataset is complete only if nothing fatal was found. DataError is raised only if there is nothing to read: a
    missing part, or a file that is not Parquet.
    """
    files = locate(folder, split)
    findings = Findings()
    documents = _texts(files.corpus, findings)
    queries = _texts(files.queries, findings)
    qrels = _qrels(files.qrels, queries, findings)
    name = folder.resolve().name
    _doubt(name, files, qrels, documents, findings)
    digest = hashlib.sha256()
    for file in [*files.corpus, *files.queries, *files.qrels]:
        digest.update(file.read_bytes())
    dataset = Dataset(
        name=name,
        split=split,
        folder=folder,
        documents=documents,
        queries={query_id: queries.get(query_id, "") for query_id in qrels},
        qrels=qrels,
        sha256=digest.hexdigest(),
        doubts=findings.doubts,
    )
    return dataset, findings


def _texts(files: list[Path], findings: Findings) -> dict[str, str]:
    texts: dict[str, str] = {}
    damage = findings.damage
    for row in _text_rows(files, findings):
        if row.id in texts:
            findings.add(Kind.DUPLICATE_ID, f"{row.location}: duplicate id {row.id!r}")
        texts.setdefault(row.id, row.text)
    if not texts and damage == findings.damage:
        findings.add(Kind.EMPTY_FILE, f"{files[0]} is empty")
    return texts


def _text_rows(files: list[Path], findings: Findings) -> Iterator[Text]:
    for file in files:
        yield from (parquet if file.suffix == ".parquet" else beir).texts(file, findings)


def _judgement_rows(files: list[Path], queries: dict[str, str], findings: Findings) -> Iterator[Judgement]:
    for file in files:
        if file.suffix == ".parquet":
            yield from parquet.judgements(file, findings)
        else:
            yield from beir.judgements(file, findings, queries)


def _qrels(files: list[Path], queries: dict[str, str], findings: Findings) -> Qrels:
    qrels: Qrels = {}
    damage, repeated = findings.damage, 0
    for row in _judgement_rows(files, queries, findings):
        if row.query_id not in qrels and queries and not queries.get(row.query_id):
            sentence = f"{row.location}: the query {row.query_id!r} has no text in {_part(files[0])}"
            findings.add(Kind.QUERY_WITHOUT_TEXT, sentence)
        judged = qrels.setdefault(row.query_id, {})
        repeated += row.document_id in judged and row.grade == judged[row.document_id]
        if judged.setdefault(row.document_id, row.grade) != row.grade:
            judged_twice = f"{row.document_id!r} has two different judgements for the query {row.query_id!r}"
            findings.add(Kind.JUDGED_DIFFERENTLY, f"{row.location}: {judged_twice}")
    _count(findings, Kind.JUDGED_AGAIN, repeated, "counted once")
    if not qrels and damage == findings.damage:
        findings.add(Kind.EMPTY_FILE, f"{files[0]} contains no judgements")
    return qrels


def _part(qrels_file: Path) -> str:
    return "the queries" if qrels_file.suffix == ".parquet" else "queries.jsonl"


def _doubt(name: str, files: Files, qrels: Qrels, documents: dict[str, str], findings: Findings) -> None:
    """Add findings about the judgements and the texts, and the catalogue's doubts about the labels."""
    if documents:
        _doubt_judgements(files, qrels, documents, findings)
    _count(
        findings,
        Kind.EMPTY_DOCUMENT,
        sum(not text for text in documents.values()),
        "no reranker can judge an empty text",
    )
    _remark_twins(documents, findings)
    own = sum(judged.get(query_id, 0) > 0 for query_id, judged in qrels.items())
    _count(findings, Kind.OWN_ID, own, "kept among the candidates, unlike others with their query's id")
    entry = catalogue.find(name)
    if entry and entry.doubt:
        findings.add(Kind.LABELS, entry.doubt)


def _remark_twins(documents: dict[str, str], findings: Findings) -> None:
    first: dict[str, str] = {}
    twins = [(i, first[text]) for i, text in documents.items() if text and first.setdefault(text, i) != i]
    if twins:
        one, other = twins[0]
        consequence = f"no reranker can tell {one!r} from {other!r}"
        _count(findings, Kind.IDENTICAL_DOCUMENT, len(twins), consequence)


def _doubt_judgements(files: Files, qrels: Qrels, documents: dict[str, str], findings: Findings) -> None:
    grades = [(i, grade) for judged in qrels.values() for i, grade in judged.items()]
    relevant = [i for i, grade in grades if grade > 0]
    outside = sum(i not in documents for i, _ in grades)
    relevant_outside = sum(i not in documents for i in relevant)
    if grades and not relevant:
        findings.add(Kind.ALL_IRRELEVANT, f"{files.qrels[0]}: it has no relevant document, no grade above 0")
    elif grades and relevant_outside == len(relevant):
        none = f"none of its relevant documents ({len(relevant)}) is in the corpus"
        findings.add(Kind.OTHER_SET, f"{files.qrels[0]}: {none}: are the qrels another dataset's?")
    if outside:
        of_relevant = f"{relevant_outside} of them among the {len(relevant)} relevant ones"
        sentence = f"{counted(outside, 'judged document')} {are(outside)} not in the corpus, {of_relevant}"
        findings.add(Kind.OUTSIDE_CORPUS, sentence, outside)
    if relevant_outside > len(relevant) / 2:
        sentence = f"most relevant documents ({relevant_outside} of {len(relevant)}) are not in the corpus"
        findings.add(Kind.RELEVANT_OUTSIDE, f"{sentence}: these may be another dataset's qrels", relevant_outside)
    _count(findings, Kind.NEGATIVE_GRADE, sum(grade < 0 for _, grade in grades), "counted as not relevant")
    barren = sum(max(judged.values()) <= 0 for judged in qrels.values())
    _count(findings, Kind.NOTHING_RELEVANT, barren, "scored 0 whatever the ranking")


def _count(findings: Findings, kind: Kind, count: int, consequence: str) -> None:
    if count:
        findings.add(kind, f"{kind.counted(count)}: {consequence}", count)
