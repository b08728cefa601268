"""Preparing a repository's own graph, which needs no torch: what is found out by running it, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from models.artefact import MANIFEST, Artefact, ArtefactError, Precision, load
from models.prepare import build as build_module
from models.prepare import gates, reference
from models.prepare import prepare as prepare_module
from models.prepare.errors import PrepareError
from models.prepare.graph import Graph
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from models.scorer import Scorer
from models.session import INPUTS
from tests.support.tiny_graphs import SILENT, checkpoint, oracle, texts, tiny, write_texts


@pytest.fixture(autouse=True)
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph without end is tried up to 512 tokens here."""
    monkeypatch.setattr(build_module, "LONGEST", 512)


def order(folder: Path, precision: Precision = "fp32", **more: object) -> Order:
    made = Order(model=str(folder), precision=precision, from_onnx=True, texts=write_texts(folder.parent), device="cpu")
    return msgspec.structs.replace(made, **more)


def made(tmp_path: Path, graph: onnx.ModelProto, precision: Precision = "fp32", **more: object) -> Artefact:
    folder = checkpoint(tmp_path / "repository", graph)
    return prepare(order(folder, precision, **more), tmp_path / "models", SILENT)


def nothing_is_left(models_dir: Path) -> bool:
    """No artefact, no workplace, no lock, and no folder that was made for them."""
    return not models_dir.exists()


def test_the_artefact_holds_the_graph_and_how_well_it_does(tmp_path: Path) -> None:
    """Sealed with the window and the padding that were found out, batchable, with tools, source and parity."""
    artefact = made(tmp_path, tiny())
    assert artefact == load(tmp_path / "models" / "repository" / "fp32")
    manifest = artefact.manifest
    assert (manifest.name, manifest.architecture, manifest.precision) == ("repository", "onnx", "fp32")
    assert (manifest.batchable, manifest.pad_token_id, manifest.max_tokens) == (True, 1, 512)
    assert (manifest.source.hub_id, manifest.source.revision) == ("repository", "local")
    assert sorted(manifest.files) == ["model.onnx", "parity.json", "tokenizer.json"]
    assert {"numpy", "onnx", "onnxruntime", "tokenizers"} <= set(manifest.tools)
    assert manifest.parity["failures"] == []
    assert manifest.parity["agreement"]["classes"].keys() == {"16", "64", "128", "256", "512"}
    found = reference.read(artefact.folder)
    assert found.texts_sha256 == reference.digest(texts())
    np.testing.assert_allclose(found.logits, oracle(tiny(), found.samples), atol=1e-4)
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        assert len(scorer.scores("panda", ["a bear", "bread"])) == 2


@pytest.mark.parametrize("rows", [17, 40, 77, 511])
def test_the_window_is_as_long_as_the_position_table(tmp_path: Path, rows: int) -> None:
    """A table of n rows gives a window of n tokens, exactly."""
    assert made(tmp_path, tiny(positions=rows), max_tokens=None).manifest.max_tokens == rows


def test_a_window_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    """Shorter than the table: as asked, and nothing is searched."""
    assert made(tmp_path, tiny(positions=77), max_tokens=64).manifest.max_tokens == 64


def test_a_config_beside_the_graph_names_the_window(tmp_path: Path) -> None:
    """It is taken as it stands, and a longer one that is asked for is refused."""
    folder = checkpoint(tmp_path / "repository", tiny(positions=77))
    (folder / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 50, "pad_token_id": 1}')
    manifest = prepare(order(folder, max_tokens=None), tmp_path / "models", SILENT).manifest
    assert (manifest.max_tokens, manifest.architecture) == (50, "bert")
    with pytest.raises(ArtefactError, match=r"--max-tokens=60 is more than the context window of .*, 50 tokens"):
        prepare(order(folder, max_tokens=60), tmp_path / "others", SILENT)
    assert nothing_is_left(tmp_path / "others")


def test_a_window_beyond_the_position_table_is_refused(tmp_path: Path) -> None:
    """Longer than the table: a sentence with the length that fails and what to give, and nothing is left."""
    with pytest.raises(
        PrepareError, match=r"fails on a pair of 100 tokens.*use a smaller --max-tokens, 77 or less"
    ) as raised:
        made(tmp_path, tiny(positions=77), max_tokens=100)
    assert "\n" not in str(raised.value)
    assert nothing_is_left(tmp_path / "models")


def test_a_window_too_small_for_a_pair_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of 16 tokens is left for the document and four are special, so it is refused before building."""
    monkeypatch.setattr(prepare_module, "build", None)
    with pytest.raises(ArtefactError, match="a window of 16 tokens is too small for a pair"):
        made(tmp_path, tiny(), max_tokens=16)
    assert nothing_is_left(tmp_path / "models")


def test_a_graph_that_fails_on_every_pair_is_refused(tmp_path: Path) -> None:
    """Not even seven tokens fit: no window is made up."""
    with pytest.raises(PrepareError, match="the graph fails on a pair of 6 tokens"):
        made(tmp_path, tiny(positions=3))


def test_a_graph_that_ignores_the_mask_is_sealed_to_run_alone(tmp_path: Path) -> None:
    """Batches would change its logits, which running it shows; alone it passes."""
    manifest = made(tmp_path, tiny(heeds_mask=False)).manifest
    assert not manifest.batchable
    assert manifest.parity["agreement"]["batch_variance"] is None


def test_weights_beside_the_graph_come_along(tmp_path: Path) -> None:
    """Under their own name, sealed, and the copy scores without the repository."""
    folder = checkpoint(tmp_path / "repository", tiny(), external="model.onnx_data")
    artefact = prepare(order(folder), tmp_path / "models", SILENT)
    assert sorted(artefact.manifest.files) == ["model.onnx", "model.onnx_data", "parity.json", "tokenizer.json"]
    (folder / "onnx" / "model.onnx_data").unlink()
    found = reference.read(artefact.folder)
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        np.testing.assert_allclose(
            scorer.run([sample.pair for sample in found.samples]), oracle(tiny(), found.samples), atol=1e-4
        )


@pytest.mark.parametrize("name", ["../secret.bin", "elsewhere.bin", "deep/weights.bin"])
def test_weights_that_are_not_beside_the_graph_are_refused(tmp_path: Path, name: str) -> None:
    """A graph may name any path: nothing outside is read or written, and a file that is not there is named."""
    folder = checkpoint(tmp_path / "repository", tiny(), external="weights.bin")
    (folder / "onnx" / "weights.bin").rename(folder / "secret.bin")
    path = folder / "onnx" / "model.onnx"
    graph = onnx.load(str(path), load_external_data=False)
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            entry.value = name if entry.key == "location" else entry.value
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(PrepareError, match=f"has weights in '{name}', but there is no such file beside it"):
        prepare(order(folder), tmp_path / "models", SILENT)
    assert nothing_is_left(tmp_path / "models")


@pytest.mark.parametrize(("kind", "named"), [(np.float16, "FLOAT, FLOAT16"), (np.int8, "FLOAT, INT8")])
def test_a_graph_of_another_precision_is_refused(tmp_path: Path, kind: type, named: str) -> None:
    """fp16 or quantised: it cannot be the fp32 reference, and the way out is named."""
    graph = tiny()
    words = graph.graph.initializer[0]
    narrow = numpy_helper.to_array(words).astype(kind)
    words.CopyFrom(numpy_helper.from_array(narrow, "narrow"))
    graph.graph.node.insert(0, helper.make_node("Cast", ["narrow"], ["words"], to=onnx.TensorProto.FLOAT))
    with pytest.raises(PrepareError, match=f"is not in fp32 .its weights are {named}.*without --from-onnx"):
        made(tmp_path, graph)
    assert nothing_is_left(tmp_path / "models")


def reshaped(*sizes: int | str) -> onnx.ModelProto:
    """The tiny graph with inputs of these sizes."""
    graph = tiny()
    for value in graph.graph.input:
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, list(sizes)))
    return graph


def typed(kind: int) -> onnx.ModelProto:
    """The tiny graph with inputs of another type, which it casts first."""
    graph = tiny()
    nodes = list(graph.graph.node)
    for node in nodes:
        node.input[:] = [f"{name}.int64" if name in INPUTS else name for name in node.input]
    for value in graph.graph.input:
        value.type.tensor_type.elem_type = kind
    casts = [
        helper.make_node("Cast", [v.name], [f"{v.name}.int64"], to=onnx.TensorProto.INT64) for v in graph.graph.input
    ]
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *nodes])
    return graph


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_int32_inputs_are_fed_as_such(tmp_path: Path, precision: Precision) -> None:
    """Some exporters write them: the scores are those of the same graph with int64."""
    artefact = made(tmp_path, typed(onnx.TensorProto.INT32), precision, max_tokens=64)
    found = reference.read(artefact.folder)
    np.testing.assert_allclose(found.logits, oracle(tiny(), found.samples), atol=1e-4)
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        assert len(set(scorer.scores("panda", ["a bear", "bread"]))) == 2


def test_a_graph_for_one_pair_at_a_time_is_sealed_to_run_so(tmp_path: Path) -> None:
    """Its batch is 1 by its shape: that is known without running a batch, which would fail."""
    manifest = made(tmp_path, reshaped(1, "sequence"), max_tokens=64).manifest
    assert not manifest.batchable
    assert manifest.parity["agreement"]["batch_variance"] is None


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (lambda: reshaped("batch", 128), r"has the input \w+ of the fixed shape \['batch', 128\].*with dynamic axes"),
        (lambda: reshaped(4, "sequence"), r"has the input \w+ of the fixed shape \[4, 'sequence'\].*with dynamic axes"),
        (lambda: typed(onnx.TensorProto.FLOAT16), r"has the input \w+ of type tensor\(float16\).*with int64 inputs"),
        (lambda: changed(0), "gives every pair the same score .*: its head was never trained"),
        (lambda: changed(np.nan), "gives nan instead of a finite score"),
        (onnx.ModelProto, "is not an ONNX graph: it has no nodes"),
    ],
    ids=["fixed length", "fixed batch", "fp16 inputs", "a head of zeros", "a head of NaN", "an empty file"],
)
def test_what_is_wrong_with_a_graph_is_told_by_its_own_path(
    tmp_path: Path, graph: Callable[[], onnx.ModelProto], why: str
) -> None:
    """The true cause, the repository's file and not a copy that is gone, and nothing is left."""
    with pytest.raises(ArtefactError, match=why) as raised:
        made(tmp_path, graph(), max_tokens=64)
    assert str(raised.value).startswith(str(tmp_path / "repository" / "onnx" / "model.onnx"))
    assert ".making" not in str(raised.value)
    assert nothing_is_left(tmp_path / "models")


def changed(factor: float) -> onnx.ModelProto:
    """The tiny graph with its head multiplied."""
    graph = tiny()
    (head,) = [tensor for tensor in graph.graph.initializer if tensor.name == "out"]
    head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) * np.float32(factor), "out"))
    return graph


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("window", [64, None])
def test_a_damaged_file_is_told_by_its_own_path(tmp_path: Path, name: str, window: int | None) -> None:
    """A download that broke off: the file of the repository is named, and nothing is left."""
    folder = checkpoint(tmp_path / "repository", tiny())
    (folder / name).write_bytes((folder / name).read_bytes()[:300])
    with pytest.raises(ArtefactError, match=f"^{folder / name} is not a") as raised:
        prepare(order(folder, max_tokens=window), tmp_path / "models", SILENT)
    assert "\n" not in str(raised.value)
    assert nothing_is_left(tmp_path / "models")


def test_weights_that_end_early_are_told(tmp_path: Path) -> None:
    """ONNX Runtime's sentence, with the repository's path."""
    folder = checkpoint(tmp_path / "repository", tiny(), external="model.onnx_data")
    (folder / "onnx" / "model.onnx_data").write_bytes(b"1234")
    with pytest.raises(PrepareError, match=f"^{folder}/onnx/model.onnx does not open in ONNX Runtime") as raised:
        prepare(order(folder, max_tokens=64), tmp_path / "models", SILENT)
    assert ".making" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert nothing_is_left(tmp_path / "models")


def test_int8_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    """The tiny graph has a small table and one product, its output: there is nothing to round."""
    with pytest.raises(PrepareError, match="int8 would change nothing"):
        made(tmp_path, tiny(), "int8")


def test_fp16_is_made_of_the_repositorys_graph(tmp_path: Path) -> None:
    """It is checked against that graph in fp32, and only the halved form is sealed."""
    artefact = made(tmp_path, tiny(), "fp16", max_tokens=64)
    assert sorted(artefact.manifest.files) == ["model.onnx", "parity.json", "tokenizer.json"]
    assert "FLOAT16" in Graph(artefact.graph).float_kinds()
    assert artefact.manifest.parity["agreement"]["worst"] > 0
    assert not (artefact.folder / "export").exists()


def test_a_failed_gate_seals_nothing_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names model, precision, gate and bound; another precision is named where there is a nearer one."""
    monkeypatch.setitem(gates.GATES, "fp32", gates.GATES["fp32"]._replace(kendall_tau=1.5))
    monkeypatch.setitem(gates.GATES, "fp16", gates.GATES["fp16"]._replace(kendall_tau=1.5))
    said = {}
    for precision in ("fp32", "fp16"):
        folder = tmp_path / precision
        folder.mkdir()
        with pytest.raises(PrepareError, match=r"was not saved.*kendall_tau 1.000 is below 1.5") as raised:
            made(folder, tiny(), precision, max_tokens=64)
        assert nothing_is_left(folder / "models")
        said[precision] = str(raised.value)
    assert "--precision fp32" not in said["fp32"]
    assert said["fp16"].endswith("--precision fp32 is the closest to it")


def test_fp16_climbs_its_ladder_when_a_gate_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that fails is followed by the next, whatever it was that failed; the one that passes is sealed."""
    said: list[str] = []
    true, calls = gates.failures, []

    def failures(agreement: gates.Agreement, precision: str) -> list[str]:
        calls.append(precision)
        return ["worst difference is made up"] if len(calls) < 4 else true(agreement, precision)

    monkeypatch.setattr("models.prepare.verify.failures", failures)
    folder = checkpoint(tmp_path / "repository", tiny())
    artefact = prepare(order(folder, "fp16", max_tokens=64), tmp_path / "models", Progress(said.append))
    assert [line.removesuffix(" …") for line in said if line.startswith("verify") and line.endswith("…")] == [
        "verify fp16 (standard form)",
        "verify fp16 (LayerNormalization kept in fp32)",
        "verify fp16 (Gemm, LayerNormalization kept in fp32)",
        "verify fp16 (Gather, Gemm, LayerNormalization kept in fp32)",
    ]
    assert said.count("worst difference is made up") == 3
    assert Graph(artefact.graph).is_constant("words")  # the last form keeps the tables in fp32


def test_the_small_graph_that_ships_for_tests(tmp_path: Path, data_dir: Path) -> None:
    """tiny-xlmr-ce: opset 14, 64 positions of which 62 hold tokens, nearly constant logits; sealed in fp32 and int8."""
    for precision, worst in (("fp32", 0.0), ("int8", 2e-5)):
        plain = Order(model=str(data_dir / "tiny-xlmr-ce"), precision=precision, from_onnx=True, device="cpu")  # type: ignore[arg-type]
        artefact = prepare(plain, tmp_path, SILENT)
        assert (artefact.manifest.max_tokens, artefact.manifest.batchable) == (62, True)
        assert artefact.manifest.parity["agreement"]["worst"] <= worst
        assert (artefact.folder / MANIFEST).is_file()
