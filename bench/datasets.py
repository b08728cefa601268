"""Datasets in BEIR layout: corpus.jsonl, queries.jsonl and qrels/<split>.tsv, read whole and checked.

Owns what a document's text is (title, space, text, stripped, as BEIR joins them), both qrels forms, and where a
dataset's name leads. It promises that every judged query has a text and that ids are unique; what does not fit ends
in one sentence with file and line, and what is odd but legitimate (judged passages outside the corpus) is counted.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.errors import DataError
from bench.records import DatasetNote

SAMPLE = Path(__file__).parent / "sample"
GRADED_FROM = 3
"""A split whose grades reach 3 uses TREC Deep Learning's scale (0 irrelevant, 1 related, 2 highly, 3 perfectly
relevant), whose binary measures count from 2 (Craswell et al., Overview of the TREC 2019 Deep Learning Track, 3.2)."""


class _Line(msgspec.Struct):
    """One line of corpus.jsonl or queries.jsonl; other fields are ignored."""

    id: str | int = msgspec.field(name="_id")
    text: str
    title: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A dataset's texts and one split of its judgements."""

    name: str
    split: str
    folder: Path
    documents: dict[str, str]
    queries: dict[str, str]
    """The judged queries only, in the order of the qrels."""
    qrels: dict[str, dict[str, int]]
    sha256: str

    @property
    def relevance_level(self) -> int:
        """The grade from which a document is relevant in binary measures: 2 on a scale up to 3, otherwise 1."""
        return 2 if max(grade for judged in self.qrels.values() for grade in judged.values()) >= GRADED_FROM else 1

    def note(self) -> DatasetNote:
        """What a record tells of this dataset."""
        return DatasetNote(
            name=self.name,
            split=self.split,
            documents=len(self.documents),
            judged_queries=len(self.qrels),
            empty_documents=sum(not text for text in self.documents.values()),
            judgements_outside_corpus=sum(i not in self.documents for judged in self.qrels.values() for i in judged),
            relevance_level=self.relevance_level,
            sha256=self.sha256,
        )


def find(name: str, data_root: Path | None) -> Path:
    """The folder of a dataset: a path, `sample`, or a name under the data root or its `beir` folder."""
    places = [Path(name)]
    places += [SAMPLE] if name == SAMPLE.name else []
    places += [data_root / name, data_root / "beir" / name] if data_root else []
    for place in places:
        if (place / "corpus.jsonl").is_file():
            return place
    looked = " or ".join(dict.fromkeys(str(place) for place in places))
    hint = "" if data_root else ", and RERANK_DATA names no folder of datasets"
    raise DataError(f"no dataset {name!r}: there is no corpus.jsonl in {looked}{hint}")


def find_all(data_root: Path | None) -> list[Path]:
    """All datasets' folders under the data root and its `beir` folder, by name; DataError where there are none."""
    places = [data_root, data_root / "beir"] if data_root else []
    folders = [file.parent for place in places for file in sorted(place.glob("*/corpus.jsonl"))]
    if not folders:
        raise DataError(f"RERANK_DATA names no folder with datasets: {data_root or 'it is not set'}")
    return folders


def load(folder: Path, split: str = "test") -> Dataset:
    """Read and check the dataset in `folder`; DataError with file and line where it is damaged."""
    qrels_file = folder / "qrels" / f"{split}.tsv"
    if not qrels_file.is_file():
        there = ", ".join(sorted(path.stem for path in qrels_file.parent.glob("*.tsv"))) or "none"
        raise DataError(f"{qrels_file} does not exist; splits that are there: {there}")
    documents = _read_texts(folder / "corpus.jsonl")
    queries = _read_texts(folder / "queries.jsonl")
    qrels = _read_qrels(qrels_file, queries)
    relevant = [i for judged in qrels.values() for i, grade in judged.items() if grade > 0]
    if not any(i in documents for i in relevant):
        raise DataError(f"{qrels_file}: none of its {len(relevant)} relevant documents is in corpus.jsonl")
    digest = hashlib.sha256()
    for file in (folder / "corpus.jsonl", folder / "queries.jsonl", qrels_file):
        digest.update(file.read_bytes())
    return Dataset(
        name=folder.resolve().name,
        split=split,
        folder=folder,
        documents=documents,
        queries={query_id: queries[query_id] for query_id in qrels},
        qrels=qrels,
        sha256=digest.hexdigest(),
    )


def numbered_lines(file: Path) -> Iterator[tuple[str, str]]:
    """The lines of a text file that hold anything, each with its "file line n" for messages."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        place = f"{file} line {number}"
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{place}: not UTF-8 at byte {error.start}") from error
        if line.strip():
            yield place, line


def _read_texts(file: Path) -> dict[str, str]:
    decoder = msgspec.json.Decoder(_Line)
    texts: dict[str, str] = {}
    for place, line in numbered_lines(file):
        try:
            entry = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise DataError(f"{place}: {error}") from error
        key = str(entry.id)
        if key in texts:
            raise DataError(f"{place}: the id {key!r} was there before")
        texts[key] = f"{entry.title or ''} {entry.text}".strip()
    if not texts:
        raise DataError(f"{file} is empty")
    return texts


def _read_qrels(file: Path, queries: dict[str, str]) -> dict[str, dict[str, int]]:
    """BEIR's three columns below a header, or TREC's four (query, ignored, document, grade); a header may be absent."""
    qrels: dict[str, dict[str, int]] = {}
    for position, (place, line) in enumerate(numbered_lines(file)):
        columns = line.split("\t") if "\t" in line else line.split()
        if position == 0 and not _is_grade(columns[-1]):
            continue
        query_id, document_id, grade = _judgement(place, columns)
        if not queries.get(query_id):
            raise DataError(f"{place}: the query {query_id!r} has no text in queries.jsonl")
        if qrels.setdefault(query_id, {}).setdefault(document_id, grade) != grade:
            raise DataError(f"{place}: {document_id!r} is judged twice for the query {query_id!r}, differently")
    if not qrels:
        raise DataError(f"{file} holds no judgement")
    return qrels


def _judgement(place: str, columns: list[str]) -> tuple[str, str, int]:
    if len(columns) not in (3, 4):
        raise DataError(f"{place}: {len(columns)} columns, where query, document, grade (or TREC's four) belong")
    if not _is_grade(columns[-1]):
        raise DataError(f"{place}: the grade {columns[-1]!r} is not a whole number")
    return columns[0], columns[-2], int(columns[-1])


def _is_grade(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()
