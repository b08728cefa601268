"""An artefact that is there already is returned only if the order would give the same one; else one sentence says why.

The checkpoints are real folders with an ONNX graph, so that nothing here needs torch.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import onnx
import pytest
from onnx import numpy_helper

from models.artefact import Artefact, ArtefactError, load
from models.prepare import build as build_module
from models.prepare import prepare as prepare_module
from models.prepare.errors import PrepareError
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from tests.support.tiny_graphs import SILENT, checkpoint, texts, tiny, write_texts

WINDOW = 64
KEEP_BOTH = "--force replaces it, and another --models-dir keeps both"


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """An order for a graph whose position table has more rows than the window that is asked for."""
    folder = checkpoint(tmp_path / "here" / "mine", tiny(positions=80))
    pairs = write_texts(tmp_path)
    return Order(model=str(folder), precision="fp32", from_onnx=True, max_tokens=WINDOW, texts=pairs, device="cpu")


@pytest.fixture
def made(order: Order, tmp_path: Path) -> Artefact:
    return prepare(order, tmp_path / "models", SILENT)


def refusal(order: Order, tmp_path: Path) -> str:
    """The one sentence of an order that the existing artefact does not fill."""
    with pytest.raises(ArtefactError) as refused:
        prepare(order, tmp_path / "models", SILENT)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def other_weights(folder: Path) -> None:
    """Change one weight of the graph in place: the file keeps its name and its size."""
    path = folder / "onnx" / "model.onnx"
    graph = onnx.load(str(path))
    (out,) = [tensor for tensor in graph.graph.initializer if tensor.name == "out"]
    out.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(out), "out"))
    with path.open("r+b") as file:
        file.write(graph.SerializeToString())


def forget(folder: Path) -> None:
    """Make an artefact one of a version that did not record what it was prepared from."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["preparation"]
    path.write_text(json.dumps(manifest))


def test_another_folder_of_the_same_name_is_not_the_same_model(order: Order, made: Artefact, tmp_path: Path) -> None:
    """Both folders are named, and the artefact stays as it is until it is replaced by force."""
    other = checkpoint(tmp_path / "there" / "mine", tiny())
    again = msgspec.structs.replace(order, model=str(other))
    assert refusal(again, tmp_path) == f"{made.folder} was prepared from {order.model}, not from {other}: {KEEP_BOTH}"
    assert load(made.folder) == made
    replaced = prepare(msgspec.structs.replace(again, force=True), tmp_path / "models", SILENT)
    assert replaced.folder == made.folder
    assert replaced.sha256 != made.sha256
    assert prepare(again, tmp_path / "models", SILENT) == replaced


@pytest.mark.parametrize("set_back", [False, True], ids=["plainly", "with the time of modification set back"])
def test_a_checkpoint_that_was_trained_further_is_not_the_same_model(
    order: Order, made: Artefact, tmp_path: Path, set_back: bool
) -> None:
    """Other weights under the same path, of the same size: the file and both digests are named."""
    weights = Path(order.model) / "onnx" / "model.onnx"
    before = weights.stat()
    other_weights(Path(order.model))
    assert weights.stat().st_size == before.st_size
    if set_back:
        os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert refusal(order, tmp_path).startswith(
        f"{made.folder} was prepared from onnx/model.onnx with sha256 {made_from(made, 'onnx/model.onnx')[:12]}…, "
        "not the present "
    )
    replaced = prepare(msgspec.structs.replace(order, force=True), tmp_path / "models", SILENT)
    assert replaced.sha256 != made.sha256


def made_from(artefact: Artefact, name: str) -> str:
    """The sha256 that a file of the checkpoint had."""
    recorded: str = json.loads((artefact.folder / "parity.json").read_text())["checkpoint"][name]
    return recorded


def add_config(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 64}')


def other_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"panda"', '"pandas"'))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (add_config, "was prepared without tokenizer_config.json, not with it:"),
        (other_tokenizer, "from tokenizer.json"),
    ],
)
def test_every_file_of_a_checkpoint_counts(
    order: Order, made: Artefact, tmp_path: Path, change: Callable[[Path], None], named: str
) -> None:
    """Not the weights alone."""
    change(Path(order.model))
    assert named in refusal(order, tmp_path)


def test_other_options_are_named_with_what_is_there(order: Order, made: Artefact, tmp_path: Path) -> None:
    """Each option that the artefact was prepared without, and all of them in one sentence."""
    published = tmp_path / "published.json"
    published.write_text('[{"source": "made up", "pairs": [["panda", "bear"]], "logits": [0.1]}]')
    (tmp_path / "other").mkdir()
    pairs = write_texts(tmp_path / "other", texts(seed=8))
    differences = {
        "max_tokens": (40, f"prepared with a context window of {WINDOW} tokens, not with one of 40"),
        "texts": (pairs, f"not with those of {pairs} (digest "),
        "published": (published, f"checked without published scores, not with those of {published}"),
        "from_onnx": (False, "prepared from the repository's ONNX graph (--from-onnx), not from its weights (without "),
    }
    for name, (value, named) in differences.items():
        sentence = refusal(msgspec.structs.replace(order, **{name: value}), tmp_path)
        assert sentence.startswith(f"{made.folder} was ")
        assert sentence.endswith(KEEP_BOTH)
        assert named in sentence
        assert sentence.count("; it was ") == 0
    all_of_them = msgspec.structs.replace(order, **{name: value for name, (value, _) in differences.items()})
    sentence = refusal(all_of_them, tmp_path)
    assert all(named in sentence for _, named in differences.values())
    assert load(made.folder) == made


def test_options_of_the_first_order_are_asked_for_again(order: Order, tmp_path: Path) -> None:
    """With them it is the same artefact; without them, or with others, it is not."""
    published = tmp_path / "published.json"
    published.write_text('[{"source": "made up", "pairs": [["panda", "bear"]], "logits": [-0.18]}]')
    first = msgspec.structs.replace(order, published=published)
    made = prepare(first, tmp_path / "models", SILENT)
    assert prepare(first, tmp_path / "models", SILENT) == made
    assert "was checked with other published scores, not without any: " in refusal(order, tmp_path)
    published.write_text(published.read_text().replace("-0.18", "-0.17"))
    assert f"was checked with other published scores, not with those of {published}: " in refusal(first, tmp_path)


def test_a_window_that_was_measured_is_the_models_own(order: Order, tmp_path: Path) -> None:
    """Without --max-tokens it is the same again; a shorter one is another, and a longer one is refused."""
    plain = msgspec.structs.replace(order, max_tokens=None)
    made = prepare(plain, tmp_path / "models", SILENT)
    assert made.manifest.max_tokens == 80
    for same in (None, 80):
        assert prepare(msgspec.structs.replace(order, max_tokens=same), tmp_path / "models", SILENT) == made
    assert "with a context window of 80 tokens, not with one of 64" in refusal(order, tmp_path)
    assert "--max-tokens=500 is more than the context window of " in refusal(
        msgspec.structs.replace(order, max_tokens=500), tmp_path
    )


def test_a_window_that_was_given_is_not_the_models_own(order: Order, made: Artefact, tmp_path: Path) -> None:
    """No file states the model's own, and what was asked for first need not be it."""
    plain = msgspec.structs.replace(order, max_tokens=None)
    assert f"with a context window of {WINDOW} tokens, not with the model's own: " in refusal(plain, tmp_path)


def test_the_same_checkpoint_is_known_by_any_path_and_after_a_touch(
    order: Order, made: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path, a link and other times of its files make no other model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "mine").symlink_to(tmp_path / "here" / "mine")
    for path in ("./here/mine", "here/mine", "here/mine/", "./links/mine"):
        assert prepare(msgspec.structs.replace(order, model=path), tmp_path / "models", SILENT) == made, path
    for file in Path(order.model).rglob("*"):
        file.touch()
    assert prepare(order, tmp_path / "models", SILENT) == made
    copy = shutil.copytree(order.model, tmp_path / "copy")
    shutil.rmtree(order.model)
    copy.rename(order.model)
    assert prepare(order, tmp_path / "models", SILENT) == made


def test_a_checkpoint_without_its_weights_is_told(order: Order, made: Artefact, tmp_path: Path) -> None:
    """The artefact cannot be compared with what is gone."""
    (Path(order.model) / "onnx" / "model.onnx").unlink()
    assert "has no ONNX graph" in refusal(order, tmp_path)


def test_an_artefact_without_a_record_is_compared_as_far_as_it_goes(
    order: Order, made: Artefact, tmp_path: Path
) -> None:
    """Files, window, pairs and scores are known from older versions too; what is not known is said, not guessed."""
    forget(made.folder)
    said: list[str] = []
    assert prepare(order, tmp_path / "models", Progress(said.append)).sha256 == made.sha256
    assert said == [f"{made.folder} exists already; --force prepares it again"]
    said.clear()
    prepare(msgspec.structs.replace(order, max_tokens=None), tmp_path / "models", Progress(said.append))
    assert said[0] == (
        "it was prepared by an older version and does not record whether the context window is the model's own: "
        "not compared"
    )
    assert "not with one of 40" in refusal(msgspec.structs.replace(order, max_tokens=40), tmp_path)
    assert "not from its weights" in refusal(msgspec.structs.replace(order, from_onnx=False), tmp_path)
    (tmp_path / "other").mkdir()
    pairs = write_texts(tmp_path / "other", texts(seed=8))
    assert f"not with those of {pairs}" in refusal(msgspec.structs.replace(order, texts=pairs), tmp_path)
    other_weights(Path(order.model))
    assert "was prepared from onnx/model.onnx with sha256 " in refusal(order, tmp_path)


@pytest.mark.parametrize("elsewhere", [True, False], ids=["another folder", "trained further"])
def test_the_precisions_of_a_name_are_of_one_checkpoint(
    order: Order, made: Artefact, tmp_path: Path, elsewhere: bool
) -> None:
    """`serve` chooses among them by the device alone; by force another one is made, and what is stale is said."""
    fp16 = msgspec.structs.replace(order, precision="fp16")
    if elsewhere:
        fp16 = msgspec.structs.replace(fp16, model=str(checkpoint(tmp_path / "there" / "mine", tiny())))
    else:
        other_weights(Path(order.model))
    sentence = refusal(fp16, tmp_path)
    assert sentence.startswith(f"{made.folder} was prepared from ")
    assert "and one name stands for one checkpoint: --force prepares fp16 nevertheless" in sentence
    assert not (made.folder.parent / "fp16").exists()
    said: list[str] = []
    prepare(msgspec.structs.replace(fp16, force=True), tmp_path / "models", Progress(said.append))
    assert any(line.endswith(": prepare fp32 again, too, or remove it") for line in said)
    assert load(made.folder) == made


def test_a_checkpoint_that_changes_while_it_is_prepared_is_not_sealed(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that still writes: the digests would be of other weights than the graph."""
    build = build_module.build

    def meanwhile(*arguments: object) -> object:
        other_weights(Path(order.model))
        return build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare_module, "build", meanwhile)
    assert "model.onnx changed while the model was being prepared: " in refusal(order, tmp_path)
    assert not (tmp_path / "models" / "mine" / "fp32").exists()


def test_two_orders_at_once_do_not_share_an_artefact(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first, and is then told what the first made."""
    other = checkpoint(tmp_path / "there" / "mine", tiny())
    build, begun, go_on = build_module.build, threading.Event(), threading.Event()

    def held(*arguments: object) -> object:
        begun.set()
        assert go_on.wait(60)
        return build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare_module, "build", held)
    first = threading.Thread(target=prepare, args=(order, tmp_path / "models", SILENT))
    first.start()
    assert begun.wait(60)
    waiting = Progress(lambda line: go_on.set() if "waiting for it" in line else None)
    with pytest.raises(PrepareError, match=f"was prepared from {order.model}, not from {other}: "):
        prepare(msgspec.structs.replace(order, model=str(other)), tmp_path / "models", waiting)
    first.join()


def test_a_damaged_artefact_is_told_with_the_flag_that_replaces_it(
    order: Order, made: Artefact, tmp_path: Path
) -> None:
    """Preparing again without it would say the same for ever."""
    with (made.folder / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    assert refusal(order, tmp_path).endswith("prepare the model again (--force replaces it)")


def test_wrong_orders_make_no_folder(order: Order, tmp_path: Path) -> None:
    """Nothing is left of a name that is none, a folder that is not there and the model that ships here."""
    for model, named in (("nonsense", "is not a model"), ("./none", "is not a folder"), ("embedded", "ships with")):
        assert named in refusal(msgspec.structs.replace(order, model=model), tmp_path)
    assert not (tmp_path / "models").exists()
