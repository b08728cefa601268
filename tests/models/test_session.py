"""Sessions: which graphs are refused, and that a batch scores as its pairs do."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from models import session as session_module
from models.artefact import Artefact, ArtefactError, seal
from models.batching import DeviceOutOfMemory
from models.catalogue import EMBEDDED
from models.pair import Pair
from models.scorer import Scorer
from models.session import GPU_LENGTH_MULTIPLE, Device, Session, choose_device, preferred_precisions, run_bound
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
        Session(make_artefact(tmp_path, labels=3), device="cpu")


def test_a_label_count_that_only_a_run_shows_is_refused_by_the_warm_up(tmp_path: Path) -> None:
    """The graph may hide its width behind a name; the first run does not."""
    artefact = with_graph(tmp_path, graph(["input_ids"], "logits", ["batch", "labels"]))
    with pytest.raises(ArtefactError, match="not \\(1, 1\\)"), Scorer.open(artefact.folder, device="cpu") as scorer:
        scorer.warm_up()


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["pixel_values"], "logits", "has the inputs pixel_values"),
        (["input_ids", "position_ids"], "logits", "has the inputs input_ids, position_ids"),
        (["input_ids"], "last_hidden_state", "no logits"),
    ],
)
def test_a_graph_that_is_no_cross_encoder_is_refused(
    tmp_path: Path, inputs: list[str], output: str, message: str
) -> None:
    """Other inputs or outputs are told by name."""
    with pytest.raises(ArtefactError, match=message):
        Session(with_graph(tmp_path, graph(inputs, output, ["batch", 1])), device="cpu")


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    """A file with the right hash and the wrong content is told as such."""
    make_tokenizer("bert").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ArtefactError, match="does not open in ONNX Runtime"):
        Session(seal(tmp_path, make_manifest()), device="cpu")


def test_a_model_that_is_to_run_alone_refuses_a_batch_budget(tmp_path: Path) -> None:
    """The manifest's word is kept: scores that depend on company are not served."""
    artefact = make_artefact(tmp_path, batchable=False)
    with pytest.raises(ArtefactError, match="one pair at a time"):
        Session(artefact, device="cpu", max_batch_tokens=512)
    assert Session(artefact, device="cpu").max_batch_tokens == 0


@pytest.mark.parametrize(
    ("device", "precision", "has_cuda", "chosen"),
    [
        ("auto", "fp16", True, "cuda"),
        ("auto", "fp32", True, "cuda"),
        ("auto", "int8", True, "cpu"),
        ("auto", "fp32", False, "cpu"),
        ("cpu", "fp16", True, "cpu"),
        ("cuda", "int8", True, "cuda"),
    ],
)
def test_the_device_is_chosen_by_what_is_there_and_what_the_graph_is_for(
    device: Device, precision: str, has_cuda: bool, chosen: str
) -> None:
    """int8 graphs stay on the CPU unless CUDA is asked for by name."""
    assert choose_device(device, precision, has_cuda=has_cuda) == chosen


def test_cuda_without_cuda_is_refused() -> None:
    """Asking for a GPU where this ONNX Runtime has none is an error, not a slow CPU server."""
    with pytest.raises(ArtefactError, match="install the gpu extra"):
        choose_device("cuda", "fp16", has_cuda=False)


def test_the_fixture_that_this_project_did_not_make_scores(data_dir: Path, tmp_path: Path) -> None:
    """A foreign XLM-R-like ONNX cross-encoder with its own tokenizer loads once it is sealed."""
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((data_dir / "tiny-xlmr-ce" / name).read_bytes())
    seal(tmp_path, make_manifest("xlm-roberta", max_tokens=60))
    with Scorer.open(tmp_path, device="cpu") as scorer:
        scorer.warm_up()
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


def test_the_device_says_which_precision_comes_first() -> None:
    """fp16 is for CUDA, int8 for the CPU; without CUDA, auto is the CPU."""
    assert preferred_precisions("cuda")[0] == "fp16"
    assert preferred_precisions("cpu") == ("int8", "fp32", "fp16")
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    assert preferred_precisions("auto") == preferred_precisions("cuda" if has_cuda else "cpu")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_all_cpus_on_one_pair_give_its_own_logit(threads: int) -> None:
    """To the last bit, with one CPU too; a session that runs batches has no second one."""
    session = Scorer.open(EMBEDDED, device="cpu", threads=threads).session
    tokeniser = Tokeniser.open(EMBEDDED / "tokenizer.json", 512)
    for document in [*PASSAGES, "panda " * 600]:
        (pair,) = tokeniser.pairs(QUERY, [document])
        assert session.run_single([pair]).tolist() == session.run([pair]).tolist()


def test_a_gpu_without_room_for_a_batch_is_told_apart_from_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ONNX Runtime says of the arena is DeviceOutOfMemory; anything else stays what it is."""
    session = Session(make_artefact(tmp_path), device="cpu")
    session.device = "cuda"
    pair = Pair(np.array([1, 2, 3]), np.zeros(3, np.int64))
    for message, kind in (
        (
            "Available memory of 5 is smaller: Failed to allocate memory for requested buffer of size 7",
            DeviceOutOfMemory,
        ),
        ("bfc_arena: BFCArena::AllocateRawInternal", DeviceOutOfMemory),
        ("a node fails", RuntimeError),
    ):

        def fails(*_: object, message: str = message) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(session_module, "run_bound", fails)
        with pytest.raises(kind, match=re.escape(message)):
            session.run([pair, pair])


@pytest.mark.parametrize(("lengths", "padded"), [([3], 8), ([8], 8), ([9, 3], 16), ([25, 9], 30), ([30], 30)])
def test_a_gpus_lengths_are_multiples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: list[int], padded: int
) -> None:
    """So that few shapes are seen, none beyond the window (of 30 tokens here); the mask tells what is padding."""
    session = Session(make_artefact(tmp_path, max_tokens=30), device="cpu")
    session.device, session.length_multiple = "cuda", GPU_LENGTH_MULTIPLE
    fed: list[dict[str, Any]] = []

    def note(_: object, feeds: dict[str, Any], __: str) -> Any:
        fed.append(feeds)
        return np.zeros((len(lengths), 1), np.float32)

    monkeypatch.setattr(session_module, "run_bound", note)
    session.run([Pair(np.ones(length, np.int64), np.zeros(length, np.int64)) for length in lengths])
    assert fed[0]["input_ids"].shape == (len(lengths), padded)
    assert fed[0]["attention_mask"].sum(axis=1).tolist() == lengths
