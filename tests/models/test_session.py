"""Sessions: which graphs are refused, and that a batch scores as its pairs do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.artefact import Artefact, ArtefactError, seal
from models.batching import DeviceOutOfMemory
from models.catalogue import EMBEDDED
from models.devices import CPU, CUDA, Device
from models.loaded_model import LoadedModel
from models.pair import Pair
from models.scorer import Scorer
from models.session import Session, pad, run_bound, session_options
from models.tokenise import Tokeniser
from tests.support.texts import PASSAGES, QUERY
from tests.support.tiny import Family, make_artefact, make_manifest, make_tokenizer


def with_graph(folder: Path, model: onnx.ModelProto) -> Artefact:
    """Seal a folder around another graph."""
    make_tokenizer("bert").save(str(folder / "tokenizer.json"))
    onnx.save(model, folder / "model.onnx")
    return seal(folder, make_manifest())


def graph(inputs: list[str], output: str, shape: list[str | int]) -> onnx.ModelProto:
    """A graph that answers with its first input, cast: enough to look at."""
    nodes = [helper.make_node("Cast", [inputs[0]], [output], to=TensorProto.FLOAT)]
    ins = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs]
    outs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    return helper.make_model(
        helper.make_graph(nodes, "g", ins, outs), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_both_families_score_and_padding_changes_nothing(tmp_path: Path, family: Family) -> None:
    """With and without token_type_ids: a padded batch gives each pair the logit that it has alone."""
    make_artefact(tmp_path, family)
    documents = ["a bear of china", "bread", "", "the oven is a bread oven of one two three four", "panda"]
    with (
        Scorer.open(tmp_path, device="cpu") as alone,
        Scorer.open(tmp_path, device="cpu", max_batch_tokens=1000) as together,
    ):
        assert np.allclose(
            alone.logits("what is a panda", documents), together.logits("what is a panda", documents), atol=1e-6
        )
        assert len(set(alone.logits("what is a panda", documents).tolist())) == len(documents)


def test_a_model_with_more_than_one_label_is_refused(tmp_path: Path) -> None:
    """A reranker has one label; a classifier is not one."""
    with pytest.raises(ArtefactError, match=r"a reranker has one label: \[batch, 1\]"):
        Session(make_artefact(tmp_path, labels=3), CPU)


def test_a_label_count_that_only_a_run_shows_is_refused_by_the_warm_up(tmp_path: Path) -> None:
    """The graph may hide its width behind a name; the first run does not."""
    artefact = with_graph(tmp_path, graph(["input_ids"], "logits", ["batch", "labels"]))
    with pytest.raises(ArtefactError, match="not \\(1, 1\\)"):
        LoadedModel.open(artefact.folder, device="cpu").warm_up()


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["pixel_values"], "logits", "has the inputs pixel_values"),
        (["input_ids", "position_ids"], "logits", "has the inputs input_ids, position_ids"),
        (["input_ids"], "last_hidden_state", "a cross-encoder has logits"),
    ],
)
def test_a_graph_that_is_no_cross_encoder_is_refused(
    tmp_path: Path, inputs: list[str], output: str, message: str
) -> None:
    """Other inputs or outputs are told by name."""
    with pytest.raises(ArtefactError, match=message):
        Session(with_graph(tmp_path, graph(inputs, output, ["batch", 1])), CPU)


def test_a_graph_that_returns_no_floats_is_refused(tmp_path: Path) -> None:
    """A classifier's class numbers are no scores."""
    model = graph(["input_ids"], "logits", ["batch", 1])
    model.graph.node[0].attribute[0].i = TensorProto.INT64
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ArtefactError, match=r"returns logits of type tensor\(int64\); a reranker returns floats"):
        Session(with_graph(tmp_path, model), CPU)


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    """A file with the right hash and the wrong content is told as such."""
    make_tokenizer("bert").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ArtefactError, match="does not open in ONNX Runtime"):
        Session(seal(tmp_path, make_manifest()), CPU)


def test_a_model_that_is_to_run_one_pair_at_a_time_refuses_a_batch_budget(tmp_path: Path) -> None:
    """The manifest's word is kept: scores that depend on their batch are not served."""
    artefact = make_artefact(tmp_path, batchable=False)
    with pytest.raises(ArtefactError, match="one pair at a time"):
        Session(artefact, CPU, max_batch_tokens=512)
    assert Session(artefact, CPU).max_batch_tokens == 0


def test_the_fixture_that_this_project_did_not_make_scores(data_dir: Path, tmp_path: Path) -> None:
    """A foreign XLM-R-like ONNX cross-encoder with its own tokenizer loads once it is sealed."""
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((data_dir / "tiny-xlmr-ce" / name).read_bytes())
    seal(tmp_path, make_manifest("xlm-roberta", max_tokens=60))
    with Scorer.open(tmp_path, device="cpu") as scorer:
        scorer.model.warm_up()
        logits = scorer.logits("what is a panda", ["a bear", "a much longer text about bears " * 30])
        assert np.isfinite(logits).all()


def test_a_run_bound_to_a_device_gives_what_a_plain_run_gives(tmp_path: Path) -> None:
    """What CUDA uses, tried on the device that every machine has."""
    artefact = make_artefact(tmp_path, "bert")
    session = ort.InferenceSession(str(artefact.graph), providers=["CPUExecutionProvider"])
    ids = np.array([[1, 5, 6, 2, 7, 2], [1, 5, 2, 6, 2, 0]])
    mask = (ids != 0).astype(np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    np.testing.assert_array_equal(run_bound(session, feeds, "cpu"), session.run(["logits"], feeds)[0])


def optimised_operators(device: Device, folder: Path) -> set[str]:
    """The operators of a residual connection with its LayerNorm after ONNX Runtime has optimised it for a device."""
    width = 64
    tables = {name: numpy_helper.from_array(np.full(width, 0.5, np.float32), name) for name in ("bias", "scale")}
    nodes = [
        helper.make_node("Add", ["product", "bias"], ["biased"]),
        helper.make_node("Add", ["biased", "residual"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "scale", "bias"], ["normed"], axis=-1),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "sequence", width])
        for name in ("product", "residual", "normed")
    ]
    made = helper.make_graph(nodes, "g", ends[:2], ends[2:], list(tables.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = session_options(device)
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=[device.provider])
    return {node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node}


def test_the_cpu_leaves_out_an_optimisation_that_makes_it_slower(tmp_path: Path) -> None:
    """ONNX Runtime fuses residual and LayerNorm on its own, and does not when a CPU's options say so."""
    assert optimised_operators(replace(CPU, disabled_optimizers=()), tmp_path) == {"SkipLayerNormalization"}
    assert optimised_operators(CPU, tmp_path) == {"Add", "LayerNormalization"}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_all_cpus_on_one_pair_give_its_own_logit(threads: int) -> None:
    """To the last bit, with one CPU too; a session that runs batches has no second one."""
    session = Scorer.open(EMBEDDED, device="cpu", threads=threads).session
    tokeniser = Tokeniser.open(EMBEDDED / "tokenizer.json", 512)
    for document in [*PASSAGES, "panda " * 600]:
        (pair,) = tokeniser.pairs(QUERY, [document])
        assert session.run_single([pair]).tolist() == session.run([pair]).tolist()


def test_memory_that_runs_out_is_told_apart_from_a_failure(tmp_path: Path) -> None:
    """What a device's value says of its memory makes a failed run DeviceOutOfMemory; any other failure stays."""
    artefact = make_artefact(tmp_path)
    beyond_the_table = Pair(np.array([1, 9999, 3]), np.zeros(3, np.int64))
    with pytest.raises(Exception, match="out of data bounds") as failure:
        Session(artefact, CPU).run([beyond_the_table])
    assert not isinstance(failure.value, DeviceOutOfMemory)
    small = replace(CPU, out_of_memory_messages=("out of data bounds",))
    with pytest.raises(DeviceOutOfMemory, match="out of data bounds"):
        Session(artefact, small).run([beyond_the_table])


@pytest.mark.parametrize(("lengths", "padded"), [([3], 8), ([8], 8), ([9, 3], 16), ([25, 9], 30), ([30], 30)])
def test_lengths_are_padded_to_a_multiple(lengths: list[int], padded: int) -> None:
    """So that few shapes are seen, none beyond the window (of 30 tokens here); the mask tells what is padding."""
    pairs = [Pair(np.ones(length, np.int64), np.zeros(length, np.int64)) for length in lengths]
    feeds = pad(pairs, pad_token_id=7, multiple=8, max_tokens=30)
    assert feeds["input_ids"].shape == (len(lengths), padded)
    assert feeds["attention_mask"].sum(axis=1).tolist() == lengths
    assert (feeds["input_ids"] == 7).sum() == len(lengths) * padded - sum(lengths)


def test_a_device_of_another_kind_scores_what_the_cpu_scores(tmp_path: Path) -> None:
    """All that CUDA does otherwise, on the device that every machine has: multiples, bound outputs, one run at a time,
    a budget of its own.
    """
    artefact = make_artefact(tmp_path, max_tokens=30)
    like_cuda = replace(
        CUDA,
        provider=CPU.provider,
        provider_options=CPU.provider_options,
        preloads_libraries=False,
        output_memory="cpu",
    )
    session, plain = Session(artefact, like_cuda, threads=3), Session(artefact, CPU)
    assert (session.inference_threads, session.max_batch_tokens) == (1, 16_384)
    tokeniser = Tokeniser.open(artefact.tokenizer, 30)
    pairs = tokeniser.pairs("what is a panda", ["a bear of china", "", "bread " * 40, "the oven"])
    expected = [plain.run([pair])[0] for pair in pairs]
    np.testing.assert_allclose(session.run(pairs), expected, atol=1e-6)
    np.testing.assert_allclose([session.run_single([pair])[0] for pair in pairs], expected, atol=1e-6)


def test_a_provider_that_does_not_start_is_refused(tmp_path: Path) -> None:
    """ONNX Runtime falls back to the CPU in silence; a server that was to run on a GPU must not."""
    artefact = make_artefact(tmp_path)
    absent = replace(CUDA, provider="AbsentExecutionProvider", preloads_libraries=False)
    with (
        pytest.warns(UserWarning, match="AbsentExecutionProvider"),  # ONNX Runtime's own
        pytest.raises(ArtefactError, match=r"CUDA is installed but does not start .*: set --device to cpu"),
    ):
        Session(artefact, absent)
