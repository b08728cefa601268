"""Local folders are taken where they lie."""

from pathlib import Path

import pytest

from models.prepare.fetch import fetch
from tests.support.repository import WEIGHTS, files, refusal, sha256


def local(folder: Path, **changes: bytes | None) -> Path:
    for name, body in files(**changes).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def test_a_local_checkpoint_is_taken_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any path to it; it has no revision and no known licence."""
    folder = local(tmp_path / "mine")
    checkpoint = fetch(str(folder))
    assert checkpoint.folder == folder
    assert checkpoint.files["model.safetensors"] == sha256(WEIGHTS)
    assert (checkpoint.source.hub_id, checkpoint.source.revision, checkpoint.source.licence) == (
        "mine",
        "local",
        "unknown",
    )
    monkeypatch.chdir(tmp_path)
    assert fetch("mine").files == fetch("./mine").files == checkpoint.files
    assert refusal("mine", revision="v2").endswith("has no revisions: omit --revision v2")


def test_a_local_graph_needs_a_tokenizer_only(tmp_path: Path) -> None:
    """As opensearch's tiny cross-encoder comes."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    checkpoint = fetch(str(tmp_path), from_onnx=True)
    assert checkpoint.graph == tmp_path / "model.onnx"
    assert checkpoint.files == {"model.onnx": sha256(b"graph"), "tokenizer.json": sha256(b"{}")}


def test_a_local_pickle_is_refused(tmp_path: Path) -> None:
    """On this disk too."""
    assert "only as a pickle" in refusal(str(local(tmp_path / "mine", **{"model.safetensors": None})))
