"""Files of a checkpoint that cannot be read, or are not what their names say: the sentence gives the true cause."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch
from models.prepare.reading import read_count, read_json
from tests.support.repository import files, refusal

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
)
CHECKPOINT = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]


def local(tmp_path: Path, **changes: bytes | None) -> Path:
    folder = tmp_path / "mine"
    for name, body in files(**changes).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


@pytest.mark.parametrize("name", CHECKPOINT)
def test_an_lfs_pointer_is_named_with_the_command_that_gets_the_file(tmp_path: Path, name: str) -> None:
    """A clone without git-lfs has pointers, which are small text files under the names of the large ones."""
    assert refusal(str(local(tmp_path, **{name: POINTER}))) == (
        f"mine: {name} is only a Git LFS pointer, not the file itself: "
        "install git-lfs and run git lfs pull where it was cloned, or download the file again"
    )


@pytest.mark.parametrize("name", ["onnx/model.onnx", "onnx/model.onnx_data"])
def test_a_graph_may_be_an_lfs_pointer_too(tmp_path: Path, name: str) -> None:
    """It and the weights beside it."""
    folder = local(tmp_path, **{name: POINTER})
    assert refusal(str(folder), from_onnx=True).startswith(f"mine: {name} is only a Git LFS pointer")


def replaced(path: Path, how: Callable[[Path], object]) -> None:
    path.unlink()
    how(path)


@pytest.mark.parametrize("name", CHECKPOINT)
@pytest.mark.parametrize(
    ("how", "why"),
    [
        (
            lambda path: path.symlink_to("/nowhere/blob"),
            "cannot be read: it is a link to /nowhere/blob, which does not",
        ),
        (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.mkdir(), "is a folder: a file is needed"),
        (os.mkfifo, "is not a regular file: a file is needed"),
    ],
    ids=["a link to nothing", "a link to itself", "a folder", "a pipe"],
)
def test_what_is_no_file_is_named(tmp_path: Path, name: str, how: Callable[[Path], object], why: str) -> None:
    """A snapshot that was copied without its blobs consists of links to nothing; none of this is a missing file."""
    folder = local(tmp_path)
    replaced(folder / name, how)
    assert refusal(str(folder)).startswith(f"mine: {name} {why}")


SCRIPT = """
import json, sys
from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch
said = []
for folder, from_onnx in json.load(sys.stdin):
    try:
        fetch(folder, from_onnx=from_onnx)
    except PrepareError as error:
        said.append(str(error))
    else:
        said.append("fetched")
print(json.dumps(said))
"""


def said_without_privileges(folders: list[tuple[Path, bool]]) -> list[str]:
    """Fetch from folders, or their graphs, in a process that may not read everything, as root may."""
    command = [sys.executable, "-c", SCRIPT]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and setpriv, which takes that right away, is not installed")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    asked = json.dumps([(str(folder), from_onnx) for folder, from_onnx in folders])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def test_a_file_without_permission_is_told_as_such(tmp_path: Path) -> None:
    """chmod 000: the file and the permission are named."""
    names = [*CHECKPOINT, "onnx/model.onnx", "onnx/model.onnx_data"]
    folders = [local(tmp_path / str(index)) for index in range(len(names))]
    for folder, name in zip(folders, names, strict=True):
        (folder / name).chmod(0)
    from_onnx = [name.startswith("onnx/") for name in names]
    assert said_without_privileges(list(zip(folders, from_onnx, strict=True))) == [
        f"mine: {name} cannot be read: Permission denied; give this user the permission to read {folder / name}"
        for folder, name in zip(folders, names, strict=True)
    ]


def test_a_folder_that_may_not_be_listed_or_entered_is_named(tmp_path: Path) -> None:
    """A folder that can be listed and not entered shows the names of files that cannot be opened."""
    listed, entered, closed, above, graphs = (local(tmp_path / name) for name in "abcde")
    modes = {listed: 0o444, entered: 0o311, closed: 0o000, above.parent: 0o444, graphs / "onnx": 0o000}
    for folder, mode in modes.items():
        folder.chmod(mode)
    try:
        asked = [(listed, False), (entered, False), (closed, False), (above, False), (graphs, True), (graphs, False)]
        said = said_without_privileges(asked)
    finally:
        for folder in modes:
            folder.chmod(0o755)
    no_entry, no_read = (
        "Permission denied; the folder {} may not be entered (it needs the permission x)",
        ("{0} cannot be read: Permission denied; give this user the permission to read {0}"),
    )
    assert said == [
        f"mine: config.json cannot be read: {no_entry.format(listed)}",
        no_read.format(entered),
        no_read.format(closed),
        f"{above} cannot be read: {no_entry.format(above.parent)}",
        f"mine: onnx/model.onnx cannot be read: {no_entry.format(graphs / 'onnx')}",
        "fetched",  # the weights do not need the folder of the graphs
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        ("{}".encode("utf-16"), "it is UTF-16; save it as plain UTF-8"),
        (b"\xef\xbb\xbf{}", "it is UTF-8 with a byte order mark; save it as plain UTF-8"),
        (b'{"a": "\xff"}', "it is not UTF-8 text"),
        (b'{\n"a": 1,\n', "Expecting property name enclosed in double quotes: line 3 column 1 (char 10)"),
        (b"[" * 1_000_000, "it is nested too deeply"),
    ],
    ids=["empty", "blank", "UTF-16", "byte order mark", "Latin 1", "torn", "deep"],
)
def test_what_is_no_json_is_explained(tmp_path: Path, content: bytes, why: str) -> None:
    """Line and column where there are some, and the encoding where it is another."""
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        read_json(tmp_path / "config.json", "config.json")


def test_a_config_is_explained_where_it_is_read(tmp_path: Path) -> None:
    """The model, the file and the cause."""
    folder = local(tmp_path, **{"config.json": b'{"num_labels": "1"}'})
    assert refusal(str(folder)) == (
        "mine: config.json cannot be read (Expected `int | null`, got `str` - at `$.num_labels`): "
        "the checkpoint is damaged"
    )


@pytest.mark.parametrize(
    ("text", "count"), [("512", 512), ("512.0", 512), ("1e6", 10**6), ("null", None), ("0", None), ("Infinity", None)]
)
def test_a_length_is_a_whole_number_or_unknown(text: str, count: int | None) -> None:
    """However it is written; null, 0 and infinity stand for a length that is not known."""
    assert read_count({"n": json.loads(text)}, "n", Path("config.json")) == count


@pytest.mark.parametrize("text", ['"512"', "-1", "3.5", "[]", "{}", "true", '""', "NaN", "-Infinity"])
def test_a_length_that_is_none_is_shown(text: str) -> None:
    """With its file, its name and its value, as it stands there."""
    with pytest.raises(PrepareError) as raised:
        read_count({"n": json.loads(text)}, "n", Path("config.json"))
    assert str(raised.value) == f"config.json: n is {text}, which is not a whole number: correct it or remove the line"


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folder that was meant, however the file is named; and a link to nothing is no missing folder."""
    folder = local(tmp_path)
    expected = f"model.safetensors is a file: give the folder of the checkpoint, {folder}"
    assert refusal(str(folder / "model.safetensors")).endswith(expected)
    monkeypatch.chdir(tmp_path)
    assert refusal("mine/model.safetensors").endswith(expected)
    (tmp_path / "link").symlink_to("/nowhere")
    assert refusal("./link") == "link is a link to /nowhere, which does not exist"


def test_other_files_of_a_folder_are_not_looked_at(tmp_path: Path) -> None:
    """A broken link, a pipe or a folder that is not needed is no hindrance."""
    folder = local(tmp_path)
    os.mkfifo(folder / "notes")
    (folder / "old.safetensors").symlink_to("/nowhere")
    (folder / "checkpoint-500").mkdir()
    assert fetch(str(folder)).folder == folder
