"""Verifying: an artefact against its reference, in single runs and in batches, and what it says when it cannot."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper

from models.artefact import ArtefactError, Source, seal
from models.devices import CPU
from models.pair import Logits, Pair
from models.prepare import reference
from models.prepare.errors import PrepareError
from models.prepare.gates import GATES
from models.prepare.pairs import Sample
from models.prepare.published import PublishedScore
from models.prepare.verify import Verdict, batch_variance, verify, verify_folder
from models.session import Session
from models.tokenise import Tokeniser
from tests.support.tiny_graphs import SILENT, artefact, oracle, texts, tiny


def verdict_of(folder: Path, scores: list[PublishedScore] | None = None) -> Verdict:
    return verify_folder(folder, scores, "cpu", SILENT)[1]


def spread_of(folder: Path) -> float:
    return float(np.std(reference.read(folder).logits))


def test_a_good_artefact_passes_every_gate(tmp_path: Path) -> None:
    """It agrees with onnx's own evaluator, in batches too and in every class, and the verdict says with what."""
    made = artefact(tmp_path)
    opened, verdict = verify_folder(tmp_path, None, "cpu", SILENT)
    assert opened == made
    assert verdict.failures == []
    assert (verdict.reference, verdict.device, verdict.published) == ("onnx's own", "cpu", [])
    agreement = verdict.agreement
    assert {name: one.pairs for name, one in agreement.classes.items()} == {"16": 40, "64": 40}
    assert agreement.pairs == 80
    assert agreement.worst < 1e-4
    assert agreement.batch_variance is not None
    assert agreement.batch_variance < 1e-4
    assert agreement.spread == pytest.approx(spread_of(tmp_path))
    assert agreement.kendall_tau > 0.995


@pytest.mark.parametrize("place", [0, 79])
def test_one_changed_logit_of_the_reference_fails_the_worst_gate(tmp_path: Path, place: int) -> None:
    """A pair of the shortest class or of the longest, moved by more than the bound: the gate is named."""
    artefact(tmp_path / "good")
    change = GATES["fp32"].worst * spread_of(tmp_path / "good") * 1.2
    artefact(tmp_path / "bad", changed={place: change})
    (failure,) = verdict_of(tmp_path / "bad").failures
    assert failure.startswith("worst difference ")
    assert "exceeds 0.005 x " in failure
    artefact(tmp_path / "near", changed={place: change / 2})
    assert verdict_of(tmp_path / "near").failures == []


def test_a_graph_that_ignores_the_mask_fails_in_batches(tmp_path: Path) -> None:
    """Alone it is right, in a padded batch it is not: only the batch variance tells, and only if batches are to run."""
    artefact(tmp_path / "batches", tiny(heeds_mask=False))
    (failure,) = verdict_of(tmp_path / "batches").failures
    assert failure.startswith("batch variance ")
    artefact(tmp_path / "alone", tiny(heeds_mask=False), batchable=False)
    verdict = verdict_of(tmp_path / "alone")
    assert verdict.failures == []
    assert verdict.agreement.batch_variance is None


def test_a_graph_that_gives_no_number_in_a_batch_fails(tmp_path: Path) -> None:
    """Rows beside padding become NaN: the difference is NaN too, not the largest of the others."""
    made = tiny()
    extra = [
        helper.make_node("ReduceMin", ["attention_mask"], ["least"], axes=[1], keepdims=1),
        helper.make_node("Cast", ["least"], ["least_f"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Div", ["least_f", "least_f"], ["one_or_nan"]),
        helper.make_node("Mul", ["good", "one_or_nan"], ["logits"]),
    ]
    made.graph.node[-1].output[0] = "good"
    made.graph.node.extend(extra)
    artefact(tmp_path, made)
    verdict = verdict_of(tmp_path)
    assert verdict.agreement.batch_variance is not None
    assert np.isnan(verdict.agreement.batch_variance)
    assert [line.partition(" nan ")[0] for line in verdict.failures] == ["batch variance"]


def test_batches_of_mixed_lengths_and_full_ones_are_tried(tmp_path: Path) -> None:
    """Some pairs of every class are run twice, beside their like and beside all others; those over 512 tokens never."""
    made = artefact(tmp_path, max_tokens=600)
    samples = reference.read(tmp_path).samples
    batches: list[list[int]] = []

    class Recorder(Session):
        def run(self, batch: Sequence[Pair]) -> Logits:
            batches.append([len(pair) for pair in batch])
            return super().run(batch)

    session = Recorder(made, CPU)
    alone = np.array([session.run([sample.pair])[0] for sample in samples], np.float32)
    batches.clear()
    assert batch_variance(session, samples, alone) < 1e-4
    assert max(max(batch) for batch in batches) == 512
    assert any(len(set(batch)) >= 4 for batch in batches)  # 16, 64, 128 and 256 side by side
    assert any(max(batch) <= 128 for batch in batches)  # the short ones by themselves
    lengths = sorted(length for batch in batches for length in batch)
    assert lengths[::2] == lengths[1::2]
    assert {64, 128, 256, 512} < set(lengths)
    batches.clear()
    batch_variance(session, samples[-16:], alone[-16:])  # twelve of 512 tokens, four of 600
    assert {length for batch in batches for length in batch} == {512}
    wrong = alone.copy()
    wrong[samples.index(next(sample for sample in samples if sample.length == 512))] += 3
    assert batch_variance(session, samples, wrong) == pytest.approx(3, abs=1e-3)


def test_a_graph_that_fails_on_long_pairs_is_named_by_their_length(tmp_path: Path) -> None:
    """A position table of 40 rows under a window of 64: the sentence says that 64 tokens fail."""
    artefact(tmp_path, tiny(positions=40))
    with pytest.raises(PrepareError, match="the graph fails on 1 pair of up to 64 tokens") as raised:
        verdict_of(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_published_score_is_checked_with_the_models_own_tokenizer(tmp_path: Path) -> None:
    """What is published of a query and a document is compared with their logit; one that is not met is named."""
    made = artefact(tmp_path)
    session = Session(made, CPU)
    pair = Tokeniser.open(made.tokenizer, 64).pairs("what is a panda", ["the bear of china"])[0]
    right = float(session.run([pair])[0])
    scores = [PublishedScore("what is a panda", "the bear of china", right + offset, "test") for offset in (0.05, 0.5)]
    verdict = verdict_of(tmp_path, scores)
    assert [score.found for score in verdict.published] == pytest.approx([right, right])
    (failure,) = verdict.failures
    assert failure.startswith(f"published logit {right + 0.5:.3f} of 'what is a panda' with 'the bear of china'")


def test_known_scores_are_checked_unless_others_are_given(tmp_path: Path) -> None:
    """An artefact that says it is BAAI's is held to BAAI's scores, and fails them; an empty list asks for none."""
    made = artefact(tmp_path)
    source = Source(hub_id="BAAI/bge-reranker-v2-m3", revision="main", licence="Apache-2.0")
    seal(tmp_path, msgspec.structs.replace(made.manifest, source=source))
    assert len(verdict_of(tmp_path).failures) >= 2
    assert verdict_of(tmp_path, []).failures == []


def test_without_a_reference_there_is_nothing_to_verify(tmp_path: Path) -> None:
    """An artefact that was not prepared here has no parity.json: one sentence says so."""
    artefact(tmp_path, with_reference=False)
    with pytest.raises(PrepareError, match=r"has no parity\.json, so there is nothing to compare with"):
        verdict_of(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"by": "\xff"}'])
def test_a_damaged_reference_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    """Sealed as it is, it still cannot be read."""
    made = artefact(tmp_path)
    (tmp_path / "parity.json").write_bytes(content)
    seal(tmp_path, made.manifest)
    with pytest.raises(PrepareError, match=r"parity\.json cannot be read"):
        verdict_of(tmp_path)


def test_a_changed_file_is_found_before_anything_runs(tmp_path: Path) -> None:
    """The hashes are checked first."""
    artefact(tmp_path)
    with (tmp_path / "tokenizer.json").open("ab") as file:
        file.write(b" ")  # it would work all the same
    with pytest.raises(ArtefactError, match=r"tokenizer\.json"):
        verdict_of(tmp_path)


def test_the_reference_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Ids, types, classes and logits to the last bit; texts have a digest that tells them apart."""
    made = artefact(tmp_path)
    samples, logits = reference.read(tmp_path).samples, reference.read(tmp_path).logits
    np.testing.assert_array_equal(logits, oracle(tiny(), samples))
    samples[0] = Sample(16, Pair(np.array([2, 5, 3]), np.array([0, 1, 1])))
    other = reference.make("b", {"f": "0"}, texts(seed=8), samples, logits)
    reference.write(other, tmp_path)
    again = reference.read(tmp_path)
    assert again == other
    assert (again.samples[0].pair.ids.tolist(), again.samples[0].pair.types.tolist()) == ([2, 5, 3], [0, 1, 1])
    assert [pair.ids.dtype for _, pair in again.samples] == [np.int64] * 80
    assert again.texts_sha256 == reference.digest(texts(seed=8)) != reference.digest(texts())
    assert made.manifest.files["parity.json"].size_bytes > 0


def test_an_unsealed_artefact_can_be_verified(tmp_path: Path) -> None:
    """Preparing judges before it seals: no manifest is needed."""
    made = artefact(tmp_path)
    (tmp_path / "manifest.json").unlink()
    assert verify(made, reference.read(tmp_path), [], "cpu", SILENT).failures == []
