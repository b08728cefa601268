"""Frozen candidates: made once, found again, refused where something else is asked for or the file was changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.candidates.frozen import Choice, load_or_freeze
from bench.cli import main
from bench.data import datasets
from bench.errors import DataError
from tests.support.embeddings_server import EmbeddingsServer

WriteBeir = Callable[..., Path]
SAMPLE = datasets.load(datasets.SAMPLE)
PLACE = Path("accuracy") / "sample" / "candidates.json"


def _type(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["candidates", "--data", "sample", "--results", str(results), *arguments])


def _file(results: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / PLACE).read_text())
    return found


def test_command_freezes_and_finds_again(tmp_path: Path) -> None:
    """The file is written with note, settings and provenance; the same command leaves it byte for byte."""
    result = _type(tmp_path, "--depth", "7")
    assert result.exit_code == 0, result.stderr
    assert "candidates   top 7 of BM25 (bm25s" in result.stdout
    assert "nDCG@10 " in result.stdout
    assert "R@7 " in result.stdout
    assert "note: it is far too small" in result.stdout
    content = (tmp_path / PLACE).read_bytes()
    record = _file(tmp_path)
    assert (record["record"], record["settings"]) == ("candidates", {"bm25": {"k1": 0.9, "b": 0.4}, "depth": 7})
    assert record["dataset"]["sha256"] == SAMPLE.sha256
    assert record["provenance"]["url"] is None
    assert record["lists"].keys() == SAMPLE.queries.keys()
    assert _type(tmp_path, "--depth", "7").exit_code == 0
    assert (tmp_path / PLACE).read_bytes() == content


def test_other_settings_are_refused(tmp_path: Path, embeddings_server: EmbeddingsServer) -> None:
    """Another depth or another source in the same folder: both are named, the file stays, nobody is asked."""
    _type(tmp_path, "--depth", "7")
    content = (tmp_path / PLACE).read_bytes()
    run = tmp_path / "my.trec"
    run.write_text("q1 Q0 tea-1 1 1.0 x\n", encoding="utf-8")
    dense = ["--dense", embeddings_server.url, "--dense-model", "letters"]
    for arguments, sentence in [
        (["--depth", "8"], "contains the top 7 of BM25 (k1=0.9 b=0.4), not the top 8 of BM25 (k1=0.9 b=0.4)"),
        (["--depth", "7", "--candidates", str(run)], "not the top 7 of the run my.trec (sha256 "),
        (["--depth", "7", *dense], f"not the top 7 of the model letters at {embeddings_server.url}/v1/embeddings"),
    ]:
        result = _type(tmp_path, *arguments)
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert "use another --results folder" in result.stderr
    assert (tmp_path / PLACE).read_bytes() == content
    assert embeddings_server.seen == []


def test_dense_candidates_by_the_command(
    tmp_path: Path, embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen with model and address, asked with the environment's key; again asks nothing; BM25 is refused then."""
    monkeypatch.setenv("EMBEDDINGS_API_KEY", "sk-secret")
    dense = ["--dense", embeddings_server.url, "--dense-model", "letters", "--depth", "4"]
    first = _type(tmp_path, *dense)
    assert first.exit_code == 0, first.stderr
    assert "top 4 of dense letters (exact inner product)" in first.stdout
    asked = len(embeddings_server.seen)
    assert _type(tmp_path, *dense).stdout == first.stdout
    (tmp_path / PLACE).unlink()
    assert _type(tmp_path, *dense).stdout == first.stdout  # from the vectors on disk
    assert len(embeddings_server.seen) == asked
    assert set(embeddings_server.authorizations) == {"Bearer sk-secret"}
    assert _file(tmp_path)["settings"] == {
        "dense": "letters",
        "url": f"{embeddings_server.url}/v1/embeddings",
        "depth": 4,
    }
    assert "sk-secret" not in (tmp_path / PLACE).read_text()
    assert "contains the top 4 of the model letters at" in _type(tmp_path, "--depth", "4").stderr


def test_flags_that_contradict_each_other(tmp_path: Path) -> None:
    """A URL without a model, and two sources."""
    assert "must be given together" in _type(tmp_path, "--dense", "http://x").stderr
    run = tmp_path / "my.trec"
    run.write_text("", encoding="utf-8")
    two = _type(tmp_path, "--dense", "http://x", "--dense-model", "m", "--candidates", str(run))
    assert "both choose the source of candidates" in two.stderr


def test_one_bad_set_does_not_stop_the_others(tmp_path: Path, beir: WriteBeir) -> None:
    """Each set is frozen or told; the exit code is 1."""
    bad = beir(corpus="no\n")
    result = CliRunner().invoke(
        main, ["candidates", "--data", str(bad), "--data", "sample", "--results", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "corpus.jsonl line 1" in result.stderr
    assert (tmp_path / "out" / PLACE).is_file()


def test_who_asks_for_nothing_gets_what_is_there(tmp_path: Path, embeddings_server: EmbeddingsServer) -> None:
    """A choice without depth and source takes the frozen lists, whatever their source; what it asks for must fit."""
    _type(tmp_path, "--dense", embeddings_server.url, "--dense-model", "letters", "--depth", "4")
    folder = (tmp_path / PLACE).parent
    assert load_or_freeze(SAMPLE, Choice(), folder).source == "dense letters (exact inner product)"
    assert load_or_freeze(SAMPLE, Choice(4), folder).depth == 4
    with pytest.raises(DataError, match=r"contains the top 4 of the model letters at .*, not the top 50;"):
        load_or_freeze(SAMPLE, Choice(50), folder)
    run = tmp_path / "my.trec"
    run.write_text("q1 Q0 tea-1 1 1.0 x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"not the run my\.trec \(sha256"):
        load_or_freeze(SAMPLE, Choice(run_file=run), folder)


def test_run_file_is_known_by_its_content(tmp_path: Path) -> None:
    """The same run under another name is the same; a changed one under the same name is refused."""
    run, moved = tmp_path / "my.trec", tmp_path / "moved.trec"
    run.write_text("q1 Q0 tea-1 1 1.0 x\n", encoding="utf-8")
    made = load_or_freeze(SAMPLE, Choice(5, run), tmp_path / "out", exact=True)
    moved.write_bytes(run.read_bytes())
    assert load_or_freeze(SAMPLE, Choice(5, moved), tmp_path / "out", exact=True) == made
    assert load_or_freeze(SAMPLE, Choice(5, moved), tmp_path / "out") == made
    run.write_text("q1 Q0 tea-2 1 1.0 x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"contains the top 5 of the run my\.trec"):
        load_or_freeze(SAMPLE, Choice(5, run), tmp_path / "out", exact=True)


def test_changed_file_and_changed_dataset_are_refused(tmp_path: Path, beir: WriteBeir) -> None:
    """One id exchanged by hand, another qrels file, no JSON: three sentences."""
    load_or_freeze(SAMPLE, Choice(5), tmp_path / "out")
    path = tmp_path / "out" / "candidates.json"
    content = path.read_text()
    path.write_text(content.replace('"tea-1"', '"tea-9"'), encoding="utf-8")
    with pytest.raises(DataError, match="was modified after it was frozen"):
        load_or_freeze(SAMPLE, Choice(5), tmp_path / "out")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="is for another sample"):
        load_or_freeze(datasets.load(beir()), Choice(5), tmp_path / "out")
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="does not contain frozen candidates"):
        load_or_freeze(SAMPLE, Choice(5), tmp_path / "out")
