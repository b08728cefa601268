"""Artefact folders: what is sealed loads, what is missing or changed is refused in words."""

from pathlib import Path

import pytest

from models.artefact import ArtefactError, load, seal
from models.manifest_formats import FORMAT
from tests.support.tiny import make_artefact, make_manifest


def test_a_sealed_folder_loads_with_every_file_recorded(tmp_path: Path) -> None:
    """seal and load agree on what the folder holds."""
    sealed = make_artefact(tmp_path)
    assert load(tmp_path) == sealed
    assert set(sealed.manifest.files) == {"model.onnx", "tokenizer.json"}


def test_notes_and_code_beside_the_model_are_not_sealed(tmp_path: Path) -> None:
    """A model card may be edited without breaking the seal; weights beside the graph may not."""
    make_artefact(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    (tmp_path / "build.py").write_text("")
    (tmp_path / "model.onnx.data").write_bytes(b"weights")
    sealed = seal(tmp_path, make_manifest())
    assert set(sealed.manifest.files) == {"model.onnx", "model.onnx.data", "tokenizer.json"}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(ArtefactError, match="nowhere is not a folder"):
        load(tmp_path / "nowhere")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    """A half-made folder has no manifest yet."""
    with pytest.raises(ArtefactError, match=r"manifest\.json is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"format": 1}', '{"format": 2}', '{"format": "2"}', '{"format": 0}', '{"format": true}'),
        *('{"format": 1, "parity": 3}', '{"format": 1, "parity": {"agreement": []}}', "\ufffd"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    """Broken JSON, other JSON and a form that no format has give one message."""
    make_artefact(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match=r"manifest\.json is not a valid manifest: "):
        load(tmp_path)


def test_a_manifest_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A format that this version does not know is not guessed at; the sentence says what to do."""
    make_artefact(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(ArtefactError) as refusal:
        load(tmp_path)
    assert str(refusal.value) == (
        f"{manifest} has manifest format 3, but this version only reads formats 1 to 2: "
        "upgrade rerank-server or prepare the model again with this version"
    )


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    """The message names the file."""
    make_artefact(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtefactError, match=f"{name} is missing"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_single_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    """Same size, other bytes: only the hash can tell."""
    make_artefact(tmp_path)
    path = tmp_path / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArtefactError, match=f"{name} has changed since it was sealed"):
        load(tmp_path)


def test_a_manifest_may_not_name_files_outside_its_folder(tmp_path: Path) -> None:
    """A manifest from a stranger cannot make the server hash or open other files."""
    make_artefact(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"tokenizer.json": {', '"../tokenizer.json": {}, "tokenizer.json": {')
    )
    with pytest.raises(ArtefactError):
        load(tmp_path)
    manifest.write_text(
        manifest.read_text().replace('"../tokenizer.json": {}', '"../tokenizer.json": {"sha256": "x", "size_bytes": 1}')
    )
    with pytest.raises(ArtefactError, match="only files directly in the folder"):
        load(tmp_path)


def test_a_manifest_that_does_not_seal_its_graph_is_refused(tmp_path: Path) -> None:
    """Every file that is served is a sealed one."""
    make_artefact(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"graph": "model.onnx"', '"graph": "other.onnx"'))
    with pytest.raises(ArtefactError, match=r"does not list other\.onnx"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_an_lfs_pointer_is_not_taken_for_a_change(tmp_path: Path, name: str) -> None:
    """An artefact that was cloned without git-lfs is complete but for one command."""
    make_artefact(tmp_path)
    (tmp_path / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    with pytest.raises(
        ArtefactError, match=f"{name} is only a Git LFS pointer.*: install git-lfs and run git lfs pull"
    ):
        load(tmp_path)
