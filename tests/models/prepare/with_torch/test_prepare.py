"""The whole chain, from a checkpoint's folder to a sealed artefact that serves transformers' scores."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import transformers
from transformers import PreTrainedModel

from models.artefact import MANIFEST, ArtefactError, Precision, load
from models.pair import Logits, Pair
from models.prepare import export as export_module
from models.prepare import gates, reference, torch_model
from models.prepare.errors import PrepareError
from models.prepare.graph import Graph
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from models.scorer import Scorer
from models.tokenise import Tokeniser
from tests.support.families import WINDOW, Case, Exported, make
from tests.support.tiny_graphs import SILENT, texts, write_texts

pytestmark = pytest.mark.prepare
Get = Callable[[Case], Exported]
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8", "fp16")
EXPORTED_HERE = {("xlm-roberta", "fp32"), ("bert", "int8")}
"""The others take the session's export, which takes seconds each time."""
QUERY, DOCUMENTS = "what is a panda", ["the bear of china", "bread", "", "a panda is a bear of china " * 30]


def order(checkpoint: Path, precision: Precision, **more: object) -> Order:
    plain = Order(model=str(checkpoint), precision=precision, device="cpu", texts=write_texts(checkpoint.parent))
    return msgspec.structs.replace(plain, **more)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each family with its tokenizer, in a folder of the family's name."""
    made = {}
    for family in ("bert", "xlm-roberta"):
        folder = make(tmp_path_factory.mktemp(family), family)
        made[family] = folder.rename(folder.with_name(family))
    return made


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def exported_before(exported: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export is the session's of the same weights, copied: what comes after it is what is tested."""

    def copied(model: PreTrainedModel, path: Path, *, masked: bool) -> bool:
        made = exported(Case(model.config.model_type, masked=masked))
        for file in made.path.parent.iterdir():
            shutil.copyfile(file, path.parent / file.name)
        return made.batchable

    monkeypatch.setattr(export_module, "export", copied)


def nothing_is_left(folder: Path) -> bool:
    """No artefact, no workplace, no lock, and no folder that was made for them; the checkpoints' texts stay."""
    return not [path for path in folder.rglob("*") if path.suffix != ".jsonl"] if folder.exists() else True


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
def test_a_checkpoint_becomes_an_artefact_that_scores_as_transformers_does(
    request: pytest.FixtureRequest, checkpoints: dict[str, Path], models_dir: Path, family: str, precision: Precision
) -> None:
    """Sealed with window, padding, tools, source and parity; its logits are the checkpoint's within the gate."""
    if (family, precision) not in EXPORTED_HERE:
        request.getfixturevalue("exported_before")
    artefact = prepare(order(checkpoints[family], precision), models_dir, SILENT)
    assert artefact == load(models_dir / family / precision)
    manifest = artefact.manifest
    assert (manifest.name, manifest.architecture, manifest.precision) == (family, family, precision)
    assert (manifest.max_tokens, manifest.pad_token_id) == (WINDOW, int(family == "xlm-roberta"))
    assert manifest.batchable == (precision != "int8")
    assert (manifest.source.hub_id, manifest.source.revision) == (family, "local")
    assert sorted(manifest.files) == ["model.onnx", "model.onnx.data", "parity.json", "tokenizer.json"]
    assert (manifest.tools["torch"], manifest.tools["transformers"]) == (torch.__version__, transformers.__version__)
    assert manifest.parity["failures"] == []
    assert manifest.parity["agreement"]["classes"].keys() == {"16", "64"}
    assert manifest.parity["reference"] == torch_model.REFERENCE
    assert (manifest.parity["agreement"]["batch_variance"] is None) == (precision == "int8")

    model = torch_model.open_model(checkpoints[family])
    found = reference.read(artefact.folder)
    np.testing.assert_allclose(
        found.logits, torch_model.reference_logits(model, [sample.pair for sample in found.samples], SILENT), atol=1e-5
    )
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        pairs = scorer.tokeniser.pairs(QUERY, DOCUMENTS)
        assert max(map(len, pairs)) == WINDOW
        expected = torch_model.reference_logits(model, pairs, SILENT)
        np.testing.assert_allclose(
            scorer.logits(QUERY, DOCUMENTS), expected, atol=gates.GATES[precision].worst * float(found.logits.std())
        )


def test_a_second_precision_takes_the_references_of_the_first(
    checkpoints: dict[str, Path], tmp_path: Path, exported_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same checkpoint, texts and window: torch scores no pair again; other texts, another window: it does."""
    computed: list[int] = []
    true = torch_model.reference_logits

    def counted(model: PreTrainedModel, pairs: Sequence[Pair], progress: Progress) -> Logits:
        computed.append(1)
        return true(model, pairs, progress)

    monkeypatch.setattr(torch_model, "reference_logits", counted)
    checkpoint = checkpoints["xlm-roberta"]
    first = prepare(order(checkpoint, "fp32"), tmp_path, SILENT)
    second = prepare(order(checkpoint, "int8"), tmp_path, SILENT)
    assert computed == [1]
    assert reference.read(first.folder) == reference.read(second.folder)
    prepare(order(checkpoint, "int8", max_tokens=60, force=True), tmp_path, SILENT)
    assert computed == [1, 1]
    (tmp_path / "other").mkdir()
    other = write_texts(tmp_path / "other", texts(seed=8))
    prepare(order(checkpoint, "int8", texts=other, force=True), tmp_path, SILENT)
    assert computed == [1, 1, 1]
    monkeypatch.setattr(torch_model, "REFERENCE", "another torch")
    prepare(order(checkpoint, "int8", force=True), tmp_path, SILENT)
    assert computed == [1, 1, 1, 1]


def test_a_shorter_window_is_sealed_and_a_longer_one_is_not(
    checkpoints: dict[str, Path], tmp_path: Path, exported_before: None
) -> None:
    """Asked for 40 tokens it has 40; 500 are refused, because the model has 64, and without a wish it has these."""
    for asked, sealed in ((40, 40), (None, WINDOW)):
        made = prepare(order(checkpoints["xlm-roberta"], "int8", max_tokens=asked), tmp_path / str(asked), SILENT)
        assert made.manifest.max_tokens == sealed
        assert f"{sealed}" in made.manifest.parity["agreement"]["classes"]
    with pytest.raises(ArtefactError, match=f"--max-tokens=500 is more than the context window of .*, {WINDOW} tokens"):
        prepare(order(checkpoints["xlm-roberta"], "int8", max_tokens=500), tmp_path / "500", SILENT)


def test_published_scores_that_are_not_met_seal_nothing(
    checkpoints: dict[str, Path], tmp_path: Path, exported_before: None
) -> None:
    """Scores from a file are checked besides: far ones are named with both figures, near ones are recorded."""
    checkpoint, published = checkpoints["xlm-roberta"], tmp_path / "published.json"
    published.write_text('[{"source": "made up", "pairs": [["panda", "bear"]], "logits": [25]}]')
    with pytest.raises(PrepareError, match=r"in int8 was not saved.*published logit 25.000 of 'panda' with 'bear'"):
        prepare(order(checkpoint, "int8", published=published), tmp_path / "models", SILENT)
    assert nothing_is_left(tmp_path / "models")
    pairs = Tokeniser.open(checkpoint / "tokenizer.json", WINDOW).pairs("panda", ["bear"])
    true = round(float(torch_model.reference_logits(torch_model.open_model(checkpoint), pairs, SILENT)[0]), 3)
    published.write_text(published.read_text().replace("25", str(true)))
    sealed = prepare(order(checkpoint, "int8", published=published), tmp_path / "models", SILENT)
    assert [score["published"] for score in sealed.manifest.parity["published"]] == [true]


def test_a_failed_gate_is_named_and_leaves_nothing(
    checkpoints: dict[str, Path], tmp_path: Path, exported_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """int8 has one form: a gate that it cannot pass ends it, with the figure, the bound and the way out."""
    monkeypatch.setitem(gates.GATES, "int8", gates.GATES["int8"]._replace(mean=0.0))
    with pytest.raises(
        PrepareError, match=r"mean difference .* exceeds 0 x .*, the logits' standard deviation.*--precision fp32"
    ):
        prepare(order(checkpoints["xlm-roberta"], "int8"), tmp_path, SILENT)
    assert nothing_is_left(tmp_path)
    assert not list(tmp_path.rglob(MANIFEST))


def test_fp16_keeps_more_in_fp32_until_the_gates_are_passed(
    checkpoints: dict[str, Path], tmp_path: Path, exported_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a first form that fails the second keeps the norms, is verified and is what is sealed."""
    said: list[str] = []
    true = gates.failures

    def failures(agreement: gates.Agreement, precision: str) -> list[str]:
        return true(agreement, precision) if any("LayerNormalization" in line for line in said) else ["worst: made up"]

    monkeypatch.setattr("models.prepare.verify.failures", failures)
    artefact = prepare(order(checkpoints["xlm-roberta"], "fp16"), tmp_path, Progress(said.append))
    assert [line for line in said if line.startswith("verify") and line.endswith("…")] == [
        "verify fp16 (standard form) …",
        "verify fp16 (LayerNormalization kept in fp32) …",
    ]
    graph = Graph(artefact.graph)
    norms = [node for node in graph.nodes if node.op_type == "LayerNormalization"]
    assert all(graph.is_constant(node.input[1]) and graph.is_fp32(node.input[1]) for node in norms)
    assert artefact.manifest.parity["failures"] == []


def test_a_full_disk_while_the_graph_is_exported_is_one_sentence(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own writing fails: the model's folder and the reason are named, and nothing is left."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.onnx, "export", full)
    with pytest.raises(PrepareError, match=r"the model cannot be written to .*xlm-roberta: No space left on device$"):
        prepare(order(checkpoints["xlm-roberta"], "fp32"), tmp_path, SILENT)
    assert nothing_is_left(tmp_path)


def test_a_model_whose_files_name_no_window_needs_one(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Relative positions only, and no length in the tokenizer's config: --max-tokens is asked for before any work."""
    folder = shutil.copytree(checkpoints["bert"], tmp_path / "endless")
    config = msgspec.json.decode((folder / "config.json").read_bytes())
    del config["max_position_embeddings"]
    (folder / "config.json").write_bytes(msgspec.json.encode(config))
    with pytest.raises(PrepareError, match="states its context window: give it in tokens as --max-tokens"):
        prepare(order(folder, "fp32"), tmp_path / "models", SILENT)
    assert nothing_is_left(tmp_path / "models")
