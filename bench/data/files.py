"""The files of a dataset: BEIR's file names, and those of the Parquet form on the Hugging Face hub.

A dataset is corpus, queries and judgements, and each part may be in either form: `corpus.jsonl`, `corpus.parquet` or
the shards `corpus/corpus-00000-of-00001.parquet`; likewise the queries; `qrels/test.tsv`, `qrels/test.parquet` or the
shards `qrels/test-….parquet`, also under `data/` or `default/`. Nothing is read here. If a part is missing, the message
names what lies there instead: a compressed file, qrels in another place, a folder with a file's name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError

QRELS_FOLDERS = ("qrels", "data", "default")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4", ".7z")
QRELS_SUFFIXES = (".tsv", ".txt", ".qrels", ".qrel", ".trec", ".csv", ".jsonl", ".parquet", "")
"""Suffixes of files that may be qrels under another name."""


@dataclass(frozen=True)
class Files:
    """The paths of one split's parts; shards in their order."""

    corpus: list[Path]
    queries: list[Path]
    qrels: list[Path]


def is_dataset(folder: Path) -> bool:
    """Tell whether `folder` contains a corpus; DataError if the file system refuses to tell."""
    try:
        return bool(_texts(folder, "corpus", None))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def corpus_hint(folder: Path) -> str:
    """Return what lies in `folder` instead of a corpus, as the end of a message; empty if there is nothing."""
    return _texts_hint(folder, "corpus")


def locate(folder: Path, split: str) -> Files:
    """Return the files of `split`; DataError if a part is missing."""
    qrels = _qrels(folder, split)
    if not qrels:
        splits = ", ".join(_splits(folder)) or "none"
        expected = folder / "qrels" / f"{split}.tsv"
        hint = what_lies_at(_qrels_elsewhere(folder, split), expected)
        choose = " (choose one with --split)" if splits != "none" else ""
        raise DataError(f"{expected} does not exist; available splits: {splits}{choose}{hint}")
    parts = {kind: _texts(folder, kind, split) for kind in ("corpus", "queries")}
    for kind, files in parts.items():
        if not files:
            forms = f"{kind}.jsonl, {kind}.parquet or folder {kind} with Parquet files"
            raise DataError(f"{folder} contains no {forms}{_texts_hint(folder, kind)}")
    return Files(parts["corpus"], parts["queries"], qrels)


def _texts(folder: Path, kind: str, split: str | None) -> list[Path]:
    """Return the files of the corpus or the queries. Shards may be named by kind or by split."""
    for file in (folder / f"{kind}.jsonl", folder / f"{kind}.parquet"):
        if file.is_file():
            return [file]
    shards = sorted((folder / kind).glob("*.parquet"))
    own = [shard for shard in shards if split and _stem(shard) == split]
    return own or shards


def _qrels(folder: Path, split: str) -> list[Path]:
    tsv = folder / "qrels" / f"{split}.tsv"
    if tsv.is_file():
        return [tsv]
    for name in QRELS_FOLDERS:
        shards = [shard for shard in sorted((folder / name).glob("*.parquet")) if _stem(shard) == split]
        if shards:
            return shards
    return []


def _qrels_elsewhere(folder: Path, split: str) -> list[Path]:
    """Return the paths at which the judgements of `split` may lie by mistake."""
    stems = (split, "qrels", f"qrels.{split}", f"qrels-{split}", f"qrels_{split}")
    places = dict.fromkeys([folder / "qrels", folder, *(folder / name for name in QRELS_FOLDERS)])
    return [place / f"{stem}{suffix}" for place in places for stem in stems for suffix in QRELS_SUFFIXES]


def _texts_hint(folder: Path, kind: str) -> str:
    return "".join(what_lies_at([path], path) for path in (folder / f"{kind}.jsonl", folder / f"{kind}.parquet"))


def what_lies_at(paths: Iterable[Path], expected: Path) -> str:
    """Return what lies at one of the paths, or compressed beside it, as the end of a message; empty if nothing does."""
    for path in paths:
        elsewhere = "" if path == expected else f"the judgements are expected in {expected}, tab-separated"
        if path.suffix and path.is_dir():
            return f"; {path} is a folder, not a file"
        if path.is_file():
            return f"; there is {path}, but {elsewhere}"
        for compressed in (path.with_name(path.name + ending) for ending in COMPRESSED):
            if compressed.is_file():
                return f"; there is {compressed}: decompress it" + (f"; {elsewhere}" if elsewhere else "")
    return ""


def _splits(folder: Path) -> list[str]:
    tsv = {file.stem for file in (folder / "qrels").glob("*.tsv")}
    return sorted(tsv.union(*({_stem(file) for file in (folder / name).glob("*.parquet")} for name in QRELS_FOLDERS)))


def _stem(shard: Path) -> str:
    """Return `test` for `test.parquet` and for `test-00000-of-00001.parquet`."""
    return shard.stem.partition("-")[0]
