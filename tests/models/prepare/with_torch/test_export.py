"""Exported graphs of five families against transformers' own forward pass, alone and in padded batches."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.pair import Pair
from models.prepare.attention import FULL_ATTENTION
from models.prepare.errors import PrepareError
from models.prepare.export import export
from models.prepare.graph import Graph
from models.prepare.torch_model import has_segments, open_model, reference_logits
from tests.support.families import (
    CASES,
    FUSED,
    HEEDING,
    LAYERS,
    WINDOW,
    WORDS,
    Case,
    Exported,
    make,
    outputs_together,
    pairs,
    run_single,
    run_together,
)
from tests.support.tiny_graphs import SILENT

pytestmark = pytest.mark.prepare
Get = Callable[[Case], Exported]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}{' masked' * case.masked}")
heeding = pytest.mark.parametrize("case", HEEDING, ids=lambda case: case.family)
fused = pytest.mark.parametrize("case", [case for case in CASES if case.family in FUSED], ids=str)


def of_length(tokens: int) -> Pair:
    ids = np.random.default_rng(tokens).integers(4, WORDS, tokens)
    return Pair(ids, (np.arange(tokens) >= tokens // 2).astype(np.int64))


@every_case
def test_a_graph_scores_what_transformers_scores(exported: Get, case: Case) -> None:
    """Every pair alone: the model's own logits to 1e-5, and these differ from pair to pair."""
    made = exported(case)
    assert made.expected.std() > 0.05
    np.testing.assert_allclose(run_single(made.path, pairs()), made.expected, atol=1e-5)


@heeding
def test_a_padded_batch_scores_as_its_pairs_do_alone(exported: Get, case: Case) -> None:
    """Whatever stands in the padding, the mask alone tells it; the export says that the graph may be run so."""
    made = exported(case)
    assert made.batchable
    np.testing.assert_allclose(run_together(made.path, pairs()), made.expected, atol=1e-5)


def test_a_graph_for_lone_pairs_says_that_it_is(exported: Get) -> None:
    """Without the mask it has fewer nodes, and padding would change its logits: it is not batchable."""
    made = exported(Case("xlm-roberta", masked=False))
    assert not made.batchable
    assert np.abs(run_together(made.path, pairs()) - made.expected).max() > 0.01
    assert len(Graph(made.path).nodes) < len(Graph(exported(Case("xlm-roberta", masked=True)).path).nodes)


@every_case
def test_attention_is_fused_where_all_tokens_see_each_other(exported: Get, case: Case) -> None:
    """One node a layer in the BERT and RoBERTa families; none in architectures that are exported as they are."""
    operators = Graph(exported(case).path).operators()
    assert operators["MultiHeadAttention"] == (LAYERS if case.family in FUSED else 0)
    assert operators["Softmax"] == (0 if case.family in FUSED else LAYERS)
    assert (case.family in FULL_ATTENTION) == (case.family in FUSED)


@fused
def test_the_last_layer_is_for_the_first_token_only(exported: Get, case: Case) -> None:
    """The last attention is asked with one row a pair, those before with all; keys are all there."""
    path = exported(case).path
    attentions = [node for node in Graph(path).nodes if node.op_type == "MultiHeadAttention"]
    names = [name for node in attentions for name in node.input[:2]]
    longest = max(map(len, pairs()))
    _, *heard = outputs_together(path, pairs(), *names)
    rows = [value.shape[1] for value in heard]
    assert rows == [longest, longest] * (LAYERS - 1) + [1, longest]


@every_case
def test_a_graph_has_one_weights_file(exported: Get, case: Case) -> None:
    """And inputs and outputs by the names and shapes that a session wants; no word of the machine that made it."""
    made = exported(case)
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    session = ort.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    segments = ["token_type_ids"] if case.family in {"bert", "electra"} else []
    assert [node.name for node in session.get_inputs()] == ["input_ids", "attention_mask", *segments]
    assert has_segments(made.model) == bool(segments)
    assert all(isinstance(size, str) for node in session.get_inputs() for size in node.shape)
    assert [(node.name, node.shape[1:]) for node in session.get_outputs()] == [("logits", [1])]
    assert str(Path(torch.__file__).parent).encode() not in made.path.read_bytes()


@pytest.mark.parametrize("case", CASES[:-1], ids=str)
def test_every_length_up_to_the_window_runs_and_no_longer_one(exported: Get, case: Case) -> None:
    """From two tokens to the window, XLM-R's being two rows fewer than its table; one token more fails."""
    made = exported(case)
    assert made.model.config.max_position_embeddings == WINDOW + 2 * (case.family == "xlm-roberta")
    lengths = [of_length(tokens) for tokens in (2, 3, 17, WINDOW)]
    expected = reference_logits(made.model, lengths, SILENT)
    np.testing.assert_allclose(run_single(made.path, lengths), expected, atol=1e-5)
    with pytest.raises(Exception, match=r"out of|Attempting to broadcast"):
        run_single(made.path, [of_length(WINDOW + 1)])


def test_relative_positions_run_at_any_length(exported: Get) -> None:
    """DeBERTa has no position table; beyond its buckets distances are counted in logarithms, as transformers does."""
    made = exported(Case("deberta-v2", masked=False))
    lengths = [of_length(tokens) for tokens in (2, 17, WINDOW, 3 * WINDOW)]
    np.testing.assert_allclose(run_single(made.path, lengths), reference_logits(made.model, lengths, SILENT), atol=1e-5)


@every_case
def test_the_model_is_as_it_was_after_the_export(exported: Get, case: Case) -> None:
    """Its attention is transformers' own again, so that the reference is: the same logits as before."""
    made = exported(case)
    assert made.model.config._attn_implementation in {"sdpa", "eager"}
    np.testing.assert_array_equal(reference_logits(made.model, pairs(), SILENT), made.expected)


class Undecided(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A classifier that looks at the numbers to choose its way: no exporter can follow it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] if x.sum() > 0 else x[:, 1:2]


def test_a_failed_export_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The exporter's pages become one line that names torch, the architecture and the cause; the model is put back."""
    model = open_model(make(tmp_path, "bert"))
    model.classifier = Undecided()
    said = rf"^torch {re.escape(torch.__version__)} cannot export this bert model: Could not guard on data-dependent"
    with pytest.raises(PrepareError, match=said) as e:
        export(model, tmp_path / "model.onnx", masked=True)
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")
    assert model.config._attn_implementation == "sdpa"


def test_a_full_disk_is_not_taken_for_a_failed_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller says where there is no room."""

    def full(*_: object, **__: object) -> None:
        raise OSError("no space")

    model = open_model(make(tmp_path, "bert"))
    monkeypatch.setattr(torch.onnx, "export", full)
    with pytest.raises(OSError, match="no space"):
        export(model, tmp_path / "model.onnx", masked=True)


def test_a_checkpoint_with_a_hole_is_refused(tmp_path: Path) -> None:
    """transformers would fill missing weights with random ones; the missing tensors are named instead."""
    folder = make(tmp_path, "bert")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"], weights["bert.encoder.layer.1.output.dense.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PrepareError, match=r"has no bert\.encoder\.layer\.1\.output\.dense\.bias, classifier\.weight:"):
        open_model(folder)


def test_a_checkpoint_that_transformers_cannot_open_is_one_sentence(tmp_path: Path) -> None:
    """Weights that are no safetensors, or a pickle only: the folder and the reason, no trace."""
    folder = make(tmp_path, "bert")
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not safetensors at all")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    for place in (folder, broken):
        with pytest.raises(PrepareError, match=re.escape(f"transformers cannot open the checkpoint in {place}: ")) as e:
            open_model(place)
        assert "\n" not in str(e.value)


def changed(folder: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """Write a checkpoint with one other weight."""
    weights = load_file(folder / "model.safetensors")
    weights[name] = change(weights[name]).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("classifier.weight", torch.zeros_like, "all zero, so every pair would get the same score"),
        ("bert.pooler.dense.weight", lambda w: w * torch.nan, r"infinite or not a number \(NaN\)"),
        ("bert.embeddings.word_embeddings.weight", lambda w: w / 0, r"infinite or not a number \(NaN\)"),
        ("classifier.weight", lambda w: w.expand(3, -1), r"the shape \[3, 64\], but config.json states \[1, 64\]"),
        ("bert.embeddings.word_embeddings.weight", lambda w: w[:50], r"the shape \[50, 64\], but config.json states"),
    ],
    ids=["a head of zeros", "NaN", "infinity", "three labels", "a table of another vocabulary"],
)
def test_weights_that_rank_nothing_are_refused_by_name(
    tmp_path: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor], why: str
) -> None:
    """Before they are exported, with the weight and what is wrong with it."""
    folder = changed(make(tmp_path, "bert"), name, change)
    with pytest.raises(PrepareError, match=f"^the weight {re.escape(name)} of the checkpoint in .*{why}"):
        open_model(folder)


@pytest.mark.parametrize(("kind", "named"), [(torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8"), (torch.uint8, "U8")])
def test_quantised_weights_are_refused_though_no_config_says_so(tmp_path: Path, kind: torch.dtype, named: str) -> None:
    """Their data type tells."""
    folder = changed(make(tmp_path, "bert"), "bert.pooler.dense.weight", lambda weights: weights.to(kind))
    with pytest.raises(PrepareError, match=rf"model\.safetensors are quantised \({named}\): use the model that they"):
        open_model(folder)


def test_a_file_of_weights_that_is_cut_off_is_named(tmp_path: Path) -> None:
    """The message names the damaged shard of a sharded checkpoint."""
    folder = make(tmp_path, "bert")
    whole = (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(load_file(whole), whole.name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert open_model(folder).config.num_labels == 1
    whole.write_bytes(whole.read_bytes()[:-10])
    with pytest.raises(PrepareError, match=r": model-00001-of-00001.safetensors is damaged or incomplete \(.*\); copy"):
        open_model(folder)


def test_a_name_that_transformers_does_not_know_is_shown(tmp_path: Path) -> None:
    """Its KeyError has only the name."""
    folder = make(tmp_path, "bert")
    config = json.loads((folder / "config.json").read_text()) | {"hidden_act": "nonsense"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PrepareError, match=r"cannot open the checkpoint in .*: unknown name 'nonsense'$"):
        open_model(folder)


def test_a_classifier_of_several_labels_is_refused(tmp_path: Path) -> None:
    """A reranker has one label."""
    folder = make(tmp_path, "bert")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"LABEL_0"\n', '"LABEL_0", "1": "LABEL_1"\n'))
    weights = load_file(folder / "model.safetensors")
    weights |= {name: torch.cat([weights[name]] * 2) for name in ("classifier.weight", "classifier.bias")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PrepareError, match="the checkpoint has 2 labels; a reranker has exactly one"):
        open_model(folder)
