"""A repository's own graph is given the tokens that transformers reads with its files, without torch."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from transformers import AutoTokenizer

from models.artefact import MANIFEST, load, seal
from models.pair import Logits
from models.prepare import reference
from models.prepare.errors import PrepareError
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from models.prepare.verify import verify_folder
from models.scorer import Scorer
from tests.support.checkpoint_tokenizers import ROWS, wordpiece, write
from tests.support.tiny import make_graph
from tests.support.tiny_graphs import SCALE, SILENT, write_texts

QUERY = "what do Pandas eat"
DOCUMENTS = ["Giant PANDA café", "大熊猫 eats 竹子", "panda [SEP] bear", "cafe\u0301 Über 3.14"]


def repository(folder: Path, stated: dict[str, object], *, rows: int = ROWS, **made: Any) -> Path:
    """A repository with a BERT-like graph; its config names no words, as a ready graph need not have a config."""
    write(folder, wordpiece(**made), {"tokenizer_class": "BertTokenizer", "model_max_length": 64} | stated)
    (folder / "config.json").write_text('{"model_type": "bert", "pad_token_id": 0}')
    (folder / "onnx").mkdir()
    onnx.save(make_graph("bert", rows, scale=SCALE), str(folder / "onnx" / "model.onnx"))
    return folder


def order(folder: Path) -> Order:
    return Order(model=str(folder), precision="fp32", from_onnx=True, texts=write_texts(folder.parent), device="cpu")


def expected(folder: Path) -> Logits:
    """onnx's own evaluation of the graph on what AutoTokenizer encodes; segment ids that it leaves out are 0."""
    evaluator = ReferenceEvaluator(onnx.load(str(folder / "onnx" / "model.onnx")))
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    logits = []
    for document in DOCUMENTS:
        encoded = tokenizer(QUERY, document, return_tensors="np")
        ids = encoded["input_ids"]
        feeds = {"token_type_ids": np.zeros_like(ids), **encoded}
        logits.append(evaluator.run(["logits"], feeds)[0][0, 0])
    return np.array(logits, np.float32)


@pytest.mark.parametrize(
    "stated",
    [{"do_lower_case": False}, {"model_input_names": ["input_ids", "attention_mask"]}, {"strip_accents": False}],
    ids=str,
)
def test_the_scores_are_those_of_all_files(tmp_path: Path, stated: dict[str, object]) -> None:
    """The graph is the repository's, the tokens are transformers', and verify compares both anywhere."""
    folder = repository(tmp_path / "repository", stated)
    artefact = prepare(order(folder), tmp_path / "models", SILENT)
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.logits(QUERY, DOCUMENTS), expected(folder), atol=1e-5)
    verdict = verify_folder(artefact.folder, None, "cpu", SILENT)[1]
    assert verdict.failures == []
    assert verdict.tokenizer.endswith(", BertTokenizer")
    assert verdict.texts > 50


def test_a_token_that_the_graph_does_not_know_is_refused(tmp_path: Path) -> None:
    """No config names the rows of its table: the last token is run, before the parity pairs are."""
    rows = wordpiece().get_vocab_size()
    folder = repository(tmp_path / "repository", {"extra_special_tokens": ["<more>"]}, rows=rows)
    with pytest.raises(PrepareError, match=f"the graph fails on the token '<more>', .* with the id {rows}"):
        prepare(order(folder), tmp_path / "models", SILENT)
    assert not list((tmp_path / "models").rglob(MANIFEST))


def test_a_segment_id_that_the_graph_does_not_know_is_refused(tmp_path: Path) -> None:
    """A table of one segment, and a tokenizer that gives the document another."""
    folder = repository(tmp_path / "repository", {})
    graph = onnx.load(str(folder / "onnx" / "model.onnx"))
    (types,) = [tensor for tensor in graph.graph.initializer if tensor.name == "types"]
    types.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(types)[:1], "types"))
    onnx.save(graph, str(folder / "onnx" / "model.onnx"))
    with pytest.raises(PrepareError, match="the graph fails on the segment id 1"):
        prepare(order(folder), tmp_path / "models", SILENT)


def test_verify_finds_a_tokenizer_that_reads_otherwise(tmp_path: Path) -> None:
    """An artefact whose tokenizer was exchanged and sealed again has the same graph, pairs and logits."""
    folder = repository(tmp_path / "repository", {})
    artefact = prepare(order(folder), tmp_path / "models", SILENT)
    wordpiece(lowercase=False).save(str(artefact.tokenizer))
    seal(artefact.folder, artefact.manifest)
    (failure,) = verify_folder(artefact.folder, None, "cpu", SILENT)[1].failures
    assert failure.startswith("the tokenizer does not read texts as transformers ")
    assert "by tokenizer.json" in failure


def test_an_artefact_of_an_earlier_version_is_taken_and_said_to_be_unchecked(tmp_path: Path) -> None:
    """Its reference has no record of transformers' tokens: nothing is compared, and both commands can say so."""
    folder = repository(tmp_path / "repository", {})
    artefact = prepare(order(folder), tmp_path / "models", SILENT)
    read = reference.read(artefact.folder)
    earlier = reference.Reference(read.by, read.checkpoint, read.texts_sha256, read.pairs)
    reference.write(earlier, artefact.folder)
    parity = {name: value for name, value in artefact.manifest.parity.items() if name not in {"tokenizer", "texts"}}
    seal(artefact.folder, msgspec.structs.replace(artefact.manifest, parity=parity))
    verdict = verify_folder(artefact.folder, None, "cpu", SILENT)[1]
    assert (verdict.failures, verdict.tokenizer, verdict.texts) == ([], "", 0)
    said: list[str] = []
    assert prepare(order(folder), tmp_path / "models", Progress(said.append)) == load(artefact.folder)
    assert any("did not compare its token ids with transformers'" in line for line in said)
