"""Exported graphs, whole, in int8 and in fp16, against transformers' own forward pass: every family, alone, padded."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from transformers import PreTrainedModel

from models.artefact import Artefact, Manifest, Precision, Source
from models.pair import Logits, Pair
from models.prepare.attention import PADDING_COLUMNS
from models.prepare.errors import PrepareError
from models.prepare.export import export
from models.prepare.fp16 import KEPT, halve
from models.prepare.graph import Graph
from models.prepare.int8 import quantise
from models.prepare.progress import Progress
from models.prepare.torch_model import open_model, reference
from models.session import Session
from tests.prepare.families import CASES, CONFIGS, FUSED, WINDOW, Case, make, pairs

pytestmark = pytest.mark.prepare


class Exported(NamedTuple):
    """A family's graph with what transformers gives for the pairs."""

    case: Case
    model: PreTrainedModel
    graph: Path
    heeds_mask: bool
    expected: Logits

    def session(self, graph: Path | None = None, precision: Precision = "fp32") -> Session:
        """Open a graph as the server would."""
        manifest = Manifest(
            name="tiny",
            architecture=self.case.family,
            precision=precision,
            max_tokens=WINDOW,
            source=Source(hub_id="tests/tiny", revision="seed-0", licence="Apache-2.0"),
            batchable=True,
            pad_token_id=int(str(CONFIGS[self.case.family]["pad_token_id"])),
        )
        return Session(Artefact((graph or self.graph).parent, manifest), device="cpu")


PAIRS = pairs()


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case.family}-{'masked' if case.masked else 'plain'}")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Each family's graph, exported once."""
    case: Case = request.param
    folder = tmp_path_factory.mktemp(case.family)
    model = open_model(make(folder, case.family))
    before = model.config._attn_implementation
    expected = reference(model, PAIRS, Progress(lambda _: None))
    heeds_mask = export(model, folder / "model.onnx", masked=case.masked)
    assert model.config._attn_implementation == before, "the model is as it was"
    return Exported(case, model, folder / "model.onnx", heeds_mask, expected)


def alone(session: Session, batch: list[Pair]) -> Logits:
    return np.concatenate([session.run([pair]) for pair in batch])


def test_a_pair_alone_has_transformers_logit(exported: Exported) -> None:
    """To 1e-5, at every length from 4 tokens."""
    np.testing.assert_allclose(alone(exported.session(), PAIRS), exported.expected, atol=1e-5)


def test_a_graph_that_heeds_the_mask_scores_a_padded_batch_as_its_pairs(exported: Exported) -> None:
    """And one that does not says so."""
    assert exported.heeds_mask == (exported.case.masked or exported.case.family not in FUSED)
    together = exported.session().run(PAIRS)
    if exported.heeds_mask:
        np.testing.assert_allclose(together, exported.expected, atol=1e-5)
    else:
        assert np.abs(together - exported.expected).max() > 0.01


def test_attention_is_one_operator_where_every_token_sees_every_other(exported: Exported) -> None:
    """A node for each layer, wider by the padding's columns where the mask is heeded; none for other families."""
    graph = Graph(exported.graph)
    fused = exported.case.family in FUSED
    assert graph.operators()["MultiHeadAttention"] == (3 if fused else 0)
    assert graph.operators()["Softmax"] == (0 if fused else 3)
    widened = graph.operators()["Concat"] >= 2 * 3
    assert not fused or widened == exported.case.masked
    assert PADDING_COLUMNS % 8 == 0, "what CUDA's kernels take"


def test_the_last_layer_of_a_fused_graph_works_for_the_first_token(exported: Exported) -> None:
    """The last attention's query is the first row alone."""
    graph = Graph(exported.graph)
    attentions = [node for node in graph.nodes if node.op_type == "MultiHeadAttention"]
    queries = [graph.maker(node.input[0]) for node in attentions]
    trimmed = [query is not None and query.op_type == "Gather" for query in queries]
    assert trimmed == ([False, False, True] if exported.case.family in FUSED else [])


def test_weights_are_one_file_and_batch_and_length_are_free(exported: Exported) -> None:
    """Up to the whole window, where XLM-R's positions begin at 2."""
    assert sorted(path.name for path in exported.graph.parent.glob("model.onnx*")) == ["model.onnx", "model.onnx.data"]
    longest = Pair(np.full(WINDOW, 7), np.zeros(WINDOW, np.int64))
    expected = reference(exported.model, [longest], Progress(lambda _: None))
    np.testing.assert_allclose(exported.session().run([longest]), expected, atol=1e-5)


def test_int8_stays_near_and_knows_no_neighbours(exported: Exported, tmp_path: Path) -> None:
    """Within half the logits' spread, and the same in a padded batch where the mask is heeded."""
    graph = Graph(exported.graph)
    quantise(graph)
    graph.save(tmp_path / "model.onnx")
    session = exported.session(tmp_path / "model.onnx", "int8")
    found = alone(session, PAIRS)
    assert np.abs(found - exported.expected).max() < 0.5 * exported.expected.std()
    if exported.heeds_mask:
        np.testing.assert_allclose(session.run(PAIRS), found, atol=1e-4)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: "+".join(sorted(kept)) or "whole")
def test_fp16_stays_near_on_every_rung(exported: Exported, tmp_path: Path, kept: frozenset[str]) -> None:
    """Within a fiftieth of the spread; logits come as fp32."""
    graph = Graph(exported.graph)
    halve(graph, kept)
    graph.save(tmp_path / "model.onnx")
    found = alone(exported.session(tmp_path / "model.onnx", "fp16"), PAIRS)
    assert np.abs(found - exported.expected).max() < 0.02 * exported.expected.std()


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose forward pass fails while it is traced."""
    model = open_model(make(tmp_path, "bert"))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(model, "forward", broken)
    with pytest.raises(PrepareError, match="cannot export this bert"):
        export(model, tmp_path / "model.onnx", masked=True)


def test_a_checkpoint_without_its_classifier_is_refused(tmp_path: Path) -> None:
    """Weights of another head would leave ours random."""
    folder = make(tmp_path, "bert")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"bert"', '"electra"'))
    with pytest.raises(PrepareError, match="was not made for sequence classification"):
        open_model(folder)


def test_a_checkpoint_with_two_labels_is_refused(tmp_path: Path) -> None:
    """A reranker has one."""
    folder = make(tmp_path, "bert")
    model = open_model(folder)
    model.config.num_labels = 2
    model.classifier = type(model.classifier)(64, 2)
    model.save_pretrained(folder)
    with pytest.raises(PrepareError, match="has 2 labels"):
        open_model(folder)
