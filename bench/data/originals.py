"""Makes a BEIR folder from downloaded originals: an archive, single files, TREC DL 2019's files, the essays.

Each form has one function, which reads the downloads folder and fills the target folder; DataError if an original is
not valid. Nothing is written outside the target folder, whatever paths an archive contains.
"""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from bench.data.catalogue import Form, KnownDataset
from bench.data.files import is_dataset
from bench.data.lines import numbered_lines
from bench.errors import DataError
from bench.wording import counted

FEWEST_PASSAGES = 3
"""The title of an essay with fewer passages is not used as a query of pg-titles."""
HEADER = "query-id\tcorpus-id\tscore\n"


def make(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    """Fill `folder` with the dataset in BEIR layout."""
    makers: dict[Form, Callable[[KnownDataset, Path, Path], None]] = {
        Form.BEIR_ZIP: _unpack,
        Form.BEIR_FILES: _place,
        Form.DL19: _dl19,
        Form.PG_TITLES: _pg_titles,
    }
    folder.mkdir(parents=True)
    makers[entry.form](entry, downloads, folder)
    if not is_dataset(folder):
        raise DataError(f"the originals of {entry.name} contain no corpus")


def _unpack(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    archive = downloads / entry.sources[0].file
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                inside = _inside(archive, member.filename)
                if inside is not None and not member.is_dir():
                    target = folder / inside
                    target.parent.mkdir(exist_ok=True)
                    with opened.open(member) as source, target.open("wb") as output:
                        shutil.copyfileobj(source, output)
    # zipfile raises NotImplementedError for an unknown compression method, RuntimeError for an encrypted member
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive.name} is a damaged archive: {error}") from error


def _inside(archive: Path, name: str) -> PurePosixPath | None:
    """Return the path of an archive member in the dataset's folder; None if it is not needed.

    Raises:
        DataError: the path leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise DataError(f"{archive.name} contains the path {name!r}, which leads out of its folder: not unpacked")
    inside = PurePosixPath(*path.parts[1:])
    is_part = str(inside) in ("corpus.jsonl", "queries.jsonl") or (
        len(inside.parts) == 2 and inside.parts[0] == "qrels" and inside.suffix == ".tsv"
    )
    return inside if is_part else None


def _place(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    for source in entry.sources:
        target = folder / source.file
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(downloads / source.file, target)


def _dl19(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    """Convert TREC's queries, qrels and pools (query id, passage id, query, passage) to BEIR's three files."""
    queries, qrels, pools = (downloads / source.file for source in entry.sources)
    with (folder / "queries.jsonl").open("wb") as output:
        for query_id, text in _columns(queries, 2):
            output.write(msgspec.json.encode({"_id": query_id, "text": text}) + b"\n")
    seen: set[str] = set()
    with (folder / "corpus.jsonl").open("wb") as output:
        for _, passage_id, _, text in _columns(pools, 4):
            if passage_id not in seen:
                seen.add(passage_id)
                output.write(msgspec.json.encode({"_id": passage_id, "title": "", "text": text}) + b"\n")
    (folder / "qrels").mkdir()
    shutil.copyfile(qrels, folder / "qrels" / "test.tsv")


def _columns(file: Path, count: int) -> Iterator[list[str]]:
    """Yield the tab-separated columns of every line of a gzip file."""
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="\n") as opened:
            for number, line in enumerate(opened, start=1):
                columns = line.rstrip("\r\n").split("\t", count - 1)
                if len(columns) != count:
                    raise DataError(f"{file.name} line {number}: {counted(len(columns), 'column')} instead of {count}")
                yield columns
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{file.name} is damaged: {error}") from error


class _Passage(msgspec.Struct):
    """One line of the essays' corpus."""

    id: str = msgspec.field(name="_id")
    title: str
    text: str


def _pg_titles(entry: KnownDataset, downloads: Path, folder: Path) -> None:
    """Make a known-item dataset: titles are queries, an essay's passages are relevant, passages have no title."""
    titles: dict[str, str] = {}
    passages: dict[str, list[str]] = {}
    with (folder / "corpus.jsonl").open("wb") as corpus:
        for passage in _passages(downloads / entry.sources[0].file):
            essay = passage.id.rpartition("_chunk_")[0]
            titles.setdefault(essay, passage.title)
            passages.setdefault(essay, []).append(passage.id)
            corpus.write(msgspec.json.encode({"_id": passage.id, "title": "", "text": passage.text}) + b"\n")
    (folder / "qrels").mkdir()
    with (
        (folder / "queries.jsonl").open("wb") as queries,
        (folder / "qrels" / "test.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write(HEADER)
        for essay, its_passages in passages.items():
            if len(its_passages) >= FEWEST_PASSAGES:
                queries.write(msgspec.json.encode({"_id": essay, "text": titles[essay]}) + b"\n")
                qrels.writelines(f"{essay}\t{passage_id}\t1\n" for passage_id in its_passages)


def _passages(file: Path) -> Iterator[_Passage]:
    for location, line in numbered_lines(file):
        try:
            yield msgspec.json.decode(line, type=_Passage)
        except msgspec.MsgspecError as error:
            raise DataError(f"{location}: {error}") from error
