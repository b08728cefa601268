"""The tiny cross-encoder of `tests.support.tiny` in forms that go wrong or are limited, and folders that hold them."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.artefact import Artefact, seal
from models.pair import Logits
from models.prepare import reference
from models.prepare.pairs import Sample, Text, samples
from models.prepare.progress import Progress
from tests.support.tiny import WIDTH, WORDS, Family, make_graph, make_manifest, make_tokenizer

FAMILY: Family = "xlm-roberta"
SCALE = 0.01
"""Scale of the word vectors: small, so that no sum over a pair comes near the limits of tanh."""


def tiny(*, heeds_mask: bool = True, positions: int | None = None) -> onnx.ModelProto:
    """The graph; one that does not heed its mask sums padding too, one of n positions fails beyond n tokens."""
    made = make_graph(FAMILY, make_tokenizer(FAMILY).get_vocab_size(), scale=SCALE)
    nodes = list(made.graph.node)
    if not heeds_mask:
        for node in nodes:
            node.input[:] = ["everything" if name == "attention_mask" else name for name in node.input]
        nothing = helper.make_node("Sub", ["input_ids", "input_ids"], ["nothing"])
        nodes = [nothing, helper.make_node("Add", ["nothing", "int1"], ["everything"]), *nodes]
    if positions is not None:
        table = np.random.default_rng(1).normal(size=(positions, WIDTH)).astype(np.float32) * SCALE
        made.graph.initializer.append(numpy_helper.from_array(table, "positions"))
        first = next(place for place, node in enumerate(nodes) if "e" in node.input)
        nodes[first].input[:] = ["at_place" if name == "e" else name for name in nodes[first].input]
        nodes[first:first] = [
            helper.make_node("Sub", ["place", "int1"], ["row"]),
            helper.make_node("Gather", ["positions", "row"], ["position"]),
            helper.make_node("Add", ["e", "position"], ["at_place"]),
        ]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


SILENT = Progress(lambda _: None)


def texts(count: int = 48, longest: int = 40, seed: int = 7) -> list[Text]:
    """Queries and passages of the tiny tokenizer's own words."""
    random = np.random.default_rng(seed)

    def words(least: int, most: int) -> str:
        return " ".join(random.choice(WORDS, random.integers(least, most)))

    return [Text(words(2, 7), words(3, longest)) for _ in range(count)]


def write_texts(folder: Path, made: list[Text] | None = None) -> Path:
    """Write texts as the JSON lines that an order names."""
    path = folder / "texts.jsonl"
    lines = [json.dumps({"query": text.query, "passage": text.passage}) for text in made or texts()]
    path.write_text("\n".join(lines) + "\n")
    return path


def oracle(graph: onnx.ModelProto, pairs: list[Sample]) -> Logits:
    """Logits by onnx's own reference implementation, in numpy: one unpadded pair at a time."""
    evaluator = ReferenceEvaluator(graph)
    logits = []
    for sample in pairs:
        ids = sample.pair.ids[None]
        (found,) = evaluator.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        logits.append(found[0, 0])
    return np.array(logits, np.float32)


def artefact(
    folder: Path,
    graph: onnx.ModelProto | None = None,
    *,
    batchable: bool = True,
    max_tokens: int = 64,
    changed: dict[int, float] | None = None,
    with_reference: bool = True,
) -> Artefact:
    """Seal the graph with the reference of the right one; `changed` moves logits of the reference, by pair."""
    folder.mkdir(parents=True, exist_ok=True)
    made = graph or tiny()
    make_tokenizer(FAMILY).save(str(folder / "tokenizer.json"))
    onnx.save(made, str(folder / "model.onnx"))
    if with_reference:
        pairs = samples(folder / "tokenizer.json", max_tokens, texts())
        logits = oracle(tiny(), pairs)
        for place, change in (changed or {}).items():
            logits[place] += change
        reference.write(reference.make("onnx's own", {}, texts(), pairs, logits), folder)
    return seal(folder, make_manifest(FAMILY, batchable=batchable, max_tokens=max_tokens))


def checkpoint(folder: Path, graph: onnx.ModelProto, *, external: str | None = None) -> Path:
    """A folder as a repository with a ready graph has it: onnx/model.onnx and a tokenizer."""
    (folder / "onnx").mkdir(parents=True)
    make_tokenizer(FAMILY).save(str(folder / "tokenizer.json"))
    where: dict[str, object] = {}
    if external is not None:
        where = {"save_as_external_data": True, "location": external, "size_threshold": 64}
    onnx.save(graph, str(folder / "onnx" / "model.onnx"), **where)
    return folder
