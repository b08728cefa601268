"""Preparing twice, twice at once, and after a process was killed: one whole artefact, and nothing half done.

The processes are real; one is held inside its build by a file that the test makes.
"""

import errno
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from models.artefact import Artefact, Manifest, load
from models.prepare import prepare as prepare_module
from models.prepare.checkpoint import Checkpoint
from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch
from models.prepare.graph import Graph
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from tests.support.tiny_graphs import SILENT, checkpoint, tiny, write_texts

PROCESS = """
import sys, time
from pathlib import Path
from models.prepare import prepare as p
from models.prepare.progress import Progress

folder, wait = Path(sys.argv[1]), sys.argv[2] == "wait"
build = p.build

def held(*args):
    (folder / "building").touch()
    while wait and not (folder / "go").exists():
        time.sleep(0.01)
    if wait and (folder / "fail").exists():
        raise p.PrepareError("made up")
    return build(*args)

p.build = held
order = p.Order(model=str(folder / "repository"), precision="fp32", from_onnx=True, max_tokens=64, device="cpu",
                texts=folder / "texts.jsonl")
print(p.prepare(order, folder / "models", Progress()).folder)
"""


@pytest.fixture
def order(tmp_path: Path) -> Order:
    folder = checkpoint(tmp_path / "repository", tiny())
    return Order(
        model=str(folder), precision="fp32", from_onnx=True, max_tokens=64, texts=write_texts(tmp_path), device="cpu"
    )


@contextmanager
def process(folder: Path, what: str = "run") -> Iterator[subprocess.Popen[str]]:
    """Another process that prepares the same model."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), what],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f"{path} was not made within a minute")


def entries(tmp_path: Path) -> list[str]:
    """What lies in the model's folder."""
    return sorted(path.name for path in (tmp_path / "models" / "repository").iterdir())


def test_an_artefact_that_is_there_is_returned_without_work(
    tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the checkpoint is looked for; force makes it anew, in the same place."""
    first = prepare(order, tmp_path / "models", SILENT)
    fetched: list[str] = []

    def counted(model: str, *, revision: str | None, from_onnx: bool) -> Checkpoint:
        fetched.append(model)
        return fetch(model, revision=revision, from_onnx=from_onnx)

    monkeypatch.setattr(prepare_module, "fetch", counted)
    said: list[str] = []
    assert prepare(order, tmp_path / "models", Progress(said.append)) == first
    assert (fetched, said) == ([], [f"{first.folder} exists already; --force prepares it again"])
    inode = first.graph.stat().st_ino
    again = prepare(msgspec.structs.replace(order, force=True), tmp_path / "models", SILENT)
    assert (again.folder, fetched) == (first.folder, [order.model])
    assert again.graph.stat().st_ino != inode
    assert entries(tmp_path) == [".fp32.lock", "fp32"]


def test_two_processes_at_once_make_one_artefact(tmp_path: Path, order: Order) -> None:
    """The second waits while the first builds, says so, takes what the first made, and builds nothing."""
    with process(tmp_path, "wait") as first:
        wait_for(tmp_path / "building")
        (tmp_path / "building").unlink()
        with process(tmp_path) as second:
            assert second.stderr is not None
            waiting = second.stderr.readline()
            assert "another process is preparing" in waiting
            assert second.poll() is None
            (tmp_path / "go").touch()
            outputs = [running.communicate(timeout=60) for running in (first, second)]
    assert [running.returncode for running in (first, second)] == [0, 0], outputs
    place = tmp_path / "models" / "repository" / "fp32"
    assert [output.strip() for output, _ in outputs] == [str(place)] * 2
    assert "exists already" in outputs[1][1]
    assert not (tmp_path / "building").exists()
    assert load(place).manifest.parity["failures"] == []
    assert entries(tmp_path) == [".fp32.lock", "fp32"]


def test_a_process_that_waited_for_one_that_failed_makes_the_artefact_itself(tmp_path: Path, order: Order) -> None:
    """The first removes its lock and its folder when it fails; the second locks anew, and leaves no trace of this."""
    (tmp_path / "fail").touch()
    with process(tmp_path, "wait") as first:
        wait_for(tmp_path / "building")
        with process(tmp_path) as second:
            assert second.stderr is not None
            assert "another process is preparing" in second.stderr.readline()
            (tmp_path / "go").touch()
            _, told = first.communicate(timeout=60)
            output, _ = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (1, 0)
    assert "made up" in told
    assert load(Path(output.strip())).manifest.parity["failures"] == []
    assert entries(tmp_path) == [".fp32.lock", "fp32"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, order: Order) -> None:
    """Killed while it builds, it leaves its workplace and no artefact; the next one clears up and makes it."""
    with process(tmp_path, "wait") as first:
        wait_for(tmp_path / "building")
        first.kill()
        first.wait()
    left = [name for name in entries(tmp_path) if name.endswith(".making")]
    assert len(left) == 1
    assert not (tmp_path / "models" / "repository" / "fp32").exists()
    other = tmp_path / "models" / "repository" / ".int8.abc.making"
    other.mkdir()  # another precision's workplace may be in use
    prepare(order, tmp_path / "models", SILENT)
    assert entries(tmp_path) == [".fp32.lock", ".int8.abc.making", "fp32"]


@pytest.mark.parametrize("step", ["the graph", "the seal"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """While the graph is written or while it is sealed: the folder and the reason are named."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "the seal":
        monkeypatch.setattr(prepare_module, "seal", full)
    else:
        monkeypatch.setattr(Graph, "save", full)
        order = msgspec.structs.replace(order, precision="fp16")
    with pytest.raises(PrepareError, match=r"the model cannot be written to .*repository: No space left on device$"):
        prepare(order, tmp_path / "models", SILENT)
    assert not (tmp_path / "models").exists()


def test_a_failed_force_keeps_the_old_artefact(tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in its place is whole before, while and after another is tried."""
    first = prepare(order, tmp_path / "models", SILENT)
    manifest = (first.folder / "manifest.json").read_bytes()

    def broken(folder: Path, made: Manifest) -> Artefact:
        assert (first.folder / "manifest.json").read_bytes() == manifest
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(prepare_module, "seal", broken)
    with pytest.raises(PrepareError, match="Input/output error"):
        prepare(msgspec.structs.replace(order, force=True), tmp_path / "models", SILENT)
    assert load(first.folder) == first


def test_a_models_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, order: Order) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "models").write_text("no folder")
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("models", "models/deeper", "link"):
        with pytest.raises(PrepareError, match=r"the model cannot be written to .*/repository: .*") as raised:
            prepare(order, tmp_path / name, SILENT)
        assert str(raised.value).endswith(f"{tmp_path / name.partition('/')[0]} is not a folder")


def test_folders_that_were_there_stay(tmp_path: Path, order: Order) -> None:
    """A failure removes the folders that it made, and none that has something in it or was there before."""
    (tmp_path / "there").mkdir()
    broken = msgspec.structs.replace(order, model="./nowhere")
    for models_dir in (tmp_path / "there", tmp_path / "there" / "new" / "models"):
        with pytest.raises(PrepareError, match="nowhere is not a folder"):
            prepare(broken, models_dir, SILENT)
        assert list((tmp_path / "there").iterdir()) == []
    (tmp_path / "there" / "nowhere").mkdir()
    (tmp_path / "there" / "nowhere" / "notes").touch()
    with pytest.raises(PrepareError, match="nowhere is not a folder"):
        prepare(broken, tmp_path / "there", SILENT)
    assert [path.name for path in (tmp_path / "there" / "nowhere").iterdir()] == ["notes"]


def test_a_bad_text_or_score_file_is_found_before_anything_is_fetched(tmp_path: Path, order: Order) -> None:
    """The sentence about the file comes first, though the model is not there either."""
    gone, none = msgspec.structs.replace(order, model="./nowhere"), tmp_path / "none.json"
    for wrong in (msgspec.structs.replace(gone, texts=none), msgspec.structs.replace(gone, published=none)):
        with pytest.raises(PrepareError, match=r"none\.json cannot be read"):
            prepare(wrong, tmp_path / "models", SILENT)
