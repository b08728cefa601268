"""The files of a dataset: BEIR's file names, and those of the Parquet form on the Hugging Face hub.

A dataset is corpus, queries and judgements, and each part may be in either form: `corpus.jsonl`, `corpus.parquet` or
the shards `corpus/corpus-00000-of-00001.parquet`; likewise the queries; `qrels/test.tsv`, `qrels/test.parquet` or the
shards `qrels/test-….parquet`, also under `data/` or `default/`. Nothing is read here.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError

QRELS_FOLDERS = ("qrels", "data", "default")


@dataclass(frozen=True)
class Files:
    """The paths of one split's parts; shards in their order."""

    corpus: list[Path]
    queries: list[Path]
    qrels: list[Path]


def is_dataset(folder: Path) -> bool:
    """Tell whether `folder` contains a corpus."""
    return bool(_texts(folder, "corpus", None))


def locate(folder: Path, split: str) -> Files:
    """Return the files of `split`; DataError if a part is missing."""
    qrels = _qrels(folder, split)
    if not qrels:
        splits = ", ".join(_splits(folder)) or "none"
        raise DataError(f"{folder / 'qrels' / split}.tsv does not exist; available splits: {splits}")
    parts = {kind: _texts(folder, kind, split) for kind in ("corpus", "queries")}
    for kind, files in parts.items():
        if not files:
            raise DataError(f"{folder} contains no {kind}.jsonl, {kind}.parquet or folder {kind} with Parquet files")
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


def _splits(folder: Path) -> list[str]:
    tsv = {file.stem for file in (folder / "qrels").glob("*.tsv")}
    return sorted(tsv.union(*({_stem(file) for file in (folder / name).glob("*.parquet")} for name in QRELS_FOLDERS)))


def _stem(shard: Path) -> str:
    """Return `test` for `test.parquet` and for `test-00000-of-00001.parquet`."""
    return shard.stem.partition("-")[0]
