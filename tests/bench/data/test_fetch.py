"""Fetching sets from a real local server: checked, pinned, unpacked safely, whole or not at all."""

import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.data import catalogue, datasets, lock, originals
from bench.data.catalogue import Form, KnownDataset, Source
from bench.data.fetch import fetch
from bench.errors import DataError
from tests.support.file_server import FileServer

SCIFACT = catalogue.find("scifact") or catalogue.KNOWN[0]
SAMPLE = {
    f"scifact/{file}": (datasets.SAMPLE / file).read_bytes()
    for file in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
}


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _known(body: bytes | None = None) -> KnownDataset:
    """SciFact with the MD5 of `body` in place of its own, or with none."""
    md5 = hashlib.md5(body).hexdigest() if body else None  # noqa: S324  # as publishers print it
    return replace(SCIFACT, sources=(Source("http://nowhere.invalid/scifact.zip", "scifact.zip", md5),))


def _serve(server: FileServer, members: dict[str, bytes]) -> bytes:
    body = server.files["/scifact/scifact.zip"] = _zip(members)
    return body


def test_fetched_archive_is_a_dataset(file_server: FileServer, tmp_path: Path) -> None:
    """The set loads, says where it is from, and nothing else is left but the lock; a second call asks nothing."""
    known = _known(_serve(file_server, SAMPLE | {"__MACOSX/x": b"", "scifact/readme.md": b"not needed"}))
    said: list[str] = []
    folder = fetch(known, tmp_path / "sets", file_server.url, say=said.append)
    assert datasets.load(folder).qrels == datasets.load(datasets.SAMPLE).qrels
    assert "CC BY-NC 2.0" in (folder / "SOURCE.txt").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["SOURCE.txt", "corpus.jsonl", "qrels", "queries.jsonl"]
    assert said == ["scifact.zip: matches the MD5 stated by its publisher"]
    asked = len(file_server.seen)
    assert fetch(known, tmp_path / "sets", file_server.url) == folder
    assert len(file_server.seen) == asked


def test_wrong_md5_is_refused_and_removed(file_server: FileServer, tmp_path: Path) -> None:
    """Bytes that are not the publisher's make no dataset; the next fetch begins anew and succeeds."""
    right = _serve(file_server, SAMPLE)
    file_server.files["/scifact/scifact.zip"] = right[:-1] + b"x"
    with pytest.raises(DataError, match=r"its MD5 is .*, but its publisher states .*; it was removed"):
        fetch(_known(right), tmp_path, file_server.url, say=lambda _: None)
    assert not (tmp_path / "scifact").exists()
    assert lock.read(tmp_path) == {}
    file_server.files["/scifact/scifact.zip"] = right
    assert fetch(_known(right), tmp_path, file_server.url, say=lambda _: None).is_dir()


def test_unpublished_hash_is_pinned_and_held(file_server: FileServer, tmp_path: Path) -> None:
    """The first fetch pins the SHA-256 and says so; other bytes under the same address are refused later."""
    body = _serve(file_server, SAMPLE)
    said: list[str] = []
    fetch(_known(), tmp_path / "one", file_server.url, say=said.append)
    assert "has no published hash; its SHA-256" in said[0]
    pin = lock.read(tmp_path / "one")["http://nowhere.invalid/scifact.zip"]
    assert (pin.sha256, pin.bytes, pin.known_by) == (hashlib.sha256(body).hexdigest(), len(body), "first fetch")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / lock.NAME).write_bytes((tmp_path / "one" / lock.NAME).read_bytes())
    _serve(file_server, SAMPLE | {"scifact/corpus.jsonl": b'{"_id": "d", "text": "other"}'})
    with pytest.raises(DataError, match=rf"its SHA-256 is .*, but {lock.NAME} has {pin.sha256}"):
        fetch(_known(), tmp_path / "two", file_server.url)


@pytest.mark.parametrize("name", ["../out.txt", "/proc/out.txt", "scifact/../../out.txt", "..\\out.txt", "C:/out.txt"])
def test_name_that_leads_out_is_refused(file_server: FileServer, tmp_path: Path, name: str) -> None:
    """Nothing of an archive with such a name is used, and nothing is written outside."""
    known = _known(_serve(file_server, SAMPLE | {name: b"x"}))
    with pytest.raises(DataError, match="leads out of its folder"):
        fetch(known, tmp_path / "sets", file_server.url, say=lambda _: None)
    assert not (tmp_path / "sets" / "scifact").exists()
    assert not list(tmp_path.rglob("out.txt"))


def test_damaged_archive_is_one_sentence(file_server: FileServer, tmp_path: Path) -> None:
    """Cut in the middle and no hash known: told, nothing left, nothing pinned, and the next fetch is whole."""
    body = _serve(file_server, SAMPLE)
    file_server.files["/scifact/scifact.zip"] = body[: len(body) // 2]
    with pytest.raises(DataError, match=r"scifact\.zip is a damaged archive"):
        fetch(_known(), tmp_path, file_server.url, say=lambda _: None)
    assert not (tmp_path / "scifact").exists()
    assert lock.read(tmp_path) == {}
    file_server.files["/scifact/scifact.zip"] = body
    assert fetch(_known(), tmp_path, file_server.url, say=lambda _: None).is_dir()


def test_break_in_the_middle_keeps_what_came(file_server: FileServer, tmp_path: Path) -> None:
    """Interrupted and asked again by the same command: only the rest is sent, and the set is whole."""
    known = _known(_serve(file_server, SAMPLE))
    file_server.break_after = [700]
    with pytest.raises(DataError, match="700 bytes are kept"):
        fetch(known, tmp_path, file_server.url, attempts=1)
    fetch(known, tmp_path, file_server.url, say=lambda _: None)
    assert [asked for _, asked in file_server.seen] == [None, "bytes=700-"]
    assert not (tmp_path / ".downloads" / "scifact").exists()


def test_loose_files_are_placed(file_server: FileServer, tmp_path: Path) -> None:
    """A set that is published as a BEIR folder is fetched file by file from the mirror's folder of that set."""
    known = catalogue.find("agentset-dbpedia")
    assert known
    for name, content in SAMPLE.items():
        file_server.files[f"/agentset-dbpedia/{name.removeprefix('scifact/')}"] = content
    folder = fetch(known, tmp_path, f"{file_server.url}/", say=lambda _: None)
    assert datasets.load(folder).documents == datasets.load(datasets.SAMPLE).documents


def _dl19() -> KnownDataset:
    known = catalogue.find("msmarco-dl19")
    assert known
    return replace(known, sources=tuple(replace(source, md5=None) for source in known.sources))


def test_trec_files_become_a_beir_folder(file_server: FileServer, tmp_path: Path) -> None:
    """TREC DL 2019's own three files: a passage of two pools is there once, TREC's qrels are read as they are."""
    queries, qrels, pools = (f"/msmarco-dl19/{source.file}" for source in _dl19().sources)
    file_server.files[queries] = gzip.compress(b"1\thow \t big\n2\tunjudged\n")
    file_server.files[qrels] = b"1 Q0 7 3\n1 Q0 8 0\n1 Q0 99 1\n"
    file_server.files[pools] = gzip.compress("1\t7\thow \tvery é\n1\t8\thow \tnot\n2\t7\tunjudged\tvery é\n".encode())
    dataset = datasets.load(fetch(_dl19(), tmp_path, file_server.url, say=lambda _: None))
    assert dataset.documents == {"7": "very é", "8": "not"}
    assert dataset.queries == {"1": "how \t big"}
    assert dataset.qrels == {"1": {"7": 3, "8": 0, "99": 1}}
    assert dataset.relevance_level == 2
    file_server.files[pools] = gzip.compress(b"1\t7\tq\tp\n1\t8\tno\n")
    with pytest.raises(DataError, match="line 2: 3 columns"):
        fetch(_dl19(), tmp_path / "bad", file_server.url, say=lambda _: None)


def test_essay_titles_become_known_items(tmp_path: Path) -> None:
    """The title of an essay of three passages finds exactly its passages, which do not carry it."""
    known = catalogue.find("pg-titles")
    assert known
    lines = [{"_id": f"{essay}_chunk_{n}", "title": essay.upper(), "text": f"{essay}{n}"} for essay, n in
             [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]]  # fmt: skip
    (tmp_path / "corpus.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    originals.make(known, tmp_path, tmp_path / "made")
    dataset = datasets.load(tmp_path / "made")
    assert dataset.queries == {"a": "A"}
    assert dataset.qrels == {"a": {"a_chunk_0": 1, "a_chunk_1": 1, "a_chunk_2": 1}}
    assert list(dataset.documents.values()) == ["a0", "a1", "a2", "b0", "b1"]


def test_essay_titles_equal_the_set_that_is_there(data_dir: Path, tmp_path: Path) -> None:
    """Made of the real essays, pg-titles is the one under RERANK_DATA."""
    known = catalogue.find("pg-titles")
    assert known
    originals.make(known, datasets.find("pg-silver", data_dir), tmp_path / "made")
    made, there = datasets.load(tmp_path / "made"), datasets.load(datasets.find("pg-titles", data_dir))
    assert (made.documents, made.queries, made.qrels) == (there.documents, there.queries, there.qrels)


def test_every_source_is_complete() -> None:
    """Addresses are https, a set has sources or says why not, and no MD5 is of the wrong length."""
    for known in catalogue.KNOWN:
        assert bool(known.sources) == bool(known.download_mb), known.name
        assert known.sources or known.why_not != "no public original is known", known.name
        for source in known.sources:
            assert source.url.startswith("https://")
            assert source.md5 is None or len(source.md5) == 32
    assert set(Form) == {known.form for known in catalogue.KNOWN}


def test_commands_as_typed(file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`data fetch` by the environment's mirror and root, `data list` that shows it, and sentences for the rest."""
    _serve(file_server, SAMPLE)
    monkeypatch.setenv("RERANK_DATA", str(tmp_path))
    monkeypatch.setenv("BENCH_MIRROR", file_server.url)
    wrong = CliRunner().invoke(main, ["data", "fetch", "scifact"])
    assert wrong.exit_code == 1
    assert "but its publisher states 5f7d1de60b170fc8027bb7898e2efca1" in wrong.stderr
    for path in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        file_server.files[f"/agentset-dbpedia/{path}"] = SAMPLE[f"scifact/{path}"]
    fetched = CliRunner().invoke(main, ["data", "fetch", "agentset-dbpedia"])
    assert fetched.exit_code == 0, fetched.stderr
    assert "corpus.jsonl: has no published hash" in fetched.stderr
    listed = CliRunner().invoke(main, ["data", "list"]).stdout
    assert f"stored in {tmp_path / 'agentset-dbpedia'}" in listed
    assert "`rerank-bench data fetch fiqa`, about 18 MB" in listed
    for arguments, sentence in [
        (["fetch", "nosuch"], "unknown dataset 'nosuch'"),
        (["fetch", "pg-silver"], "pg-silver cannot be fetched: the leaderboard's own qrels are empty"),
        (["fetch", "scifact", "--to", "/proc/no"], "scifact cannot be stored in /proc/no"),
    ]:
        result = CliRunner().invoke(main, ["data", *arguments])
        assert (result.exit_code, sentence in result.stderr) == (1, True), result.stderr
    monkeypatch.delenv("RERANK_DATA")
    assert "give --to DIR" in CliRunner().invoke(main, ["data", "fetch", "scifact"]).stderr
