"""Training the embedded model's last layer: the same encoder, unseen labels to measure on, weights that build."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import seal
from models.pair import Pair
from models.scorer import Scorer
from tests.support.tiny_encoder import RAW, make_idf, make_weights
from tools.embedded import labels, train
from tools.embedded.beir import Dataset
from tools.embedded.build import manifest, write_model
from tools.embedded.idf import idf
from tools.embedded.labels import Example, HeldOut
from tools.embedded.last_layer import batches, encode, parameters, similarities, trunk
from tools.embedded.reference import logits
from tools.embedded.score import SCORE
from tools.embedded.train import Model
from tools.embedded.weights import TOKENIZER, WEIGHTS, find, parse, read_pinned

pytestmark = pytest.mark.prepare

QUERIES = [[2, 5, 6, 3], [2, 30, 3], [2, 7, 8, 9, 10, 3]]
DOCUMENTS = [[2, 6, 5, 11, 12, 3], [2, 3], [2, 30, 31, 32, 7, 8, 9, 3]]
SUBJECTS = ["tax", "bond", "house", "loan", "fund", "wage", "rent", "trade", "coin", "debt", "bank", "gift"]


def model(texts: dict[str, list[int]], seed: int = 0) -> Model:
    weights = make_weights(seed)
    ids = [np.array(some, np.int64) for some in texts.values()]
    names = list(texts)
    return Model({names[at]: text for at, text in trunk(weights, ids)}, make_idf(), weights.head_width)


def test_trunk_and_last_layer_are_the_encoder() -> None:
    """The similarities of padded batches are those of numpy's float64, text by text; states are halves."""
    weights, texts = make_weights(), [*QUERIES, *DOCUMENTS]
    states = dict(trunk(weights, [np.array(ids, np.int64) for ids in texts]))
    last = parameters(weights.layers[-1])
    sides = [[states[at] for at in range(start, start + 3)] for start in (0, 3)]
    queries, documents = (encode(last, side, make_idf(), weights.head_width) for side in sides)
    pairs = [
        Pair(np.array(q + d, np.int64), np.array([0] * len(q) + [1] * len(d), np.int64))
        for q in QUERIES
        for d in DOCUMENTS
    ]
    expected = logits(weights, make_idf(), RAW, pairs).reshape(3, 3)
    np.testing.assert_allclose(similarities(queries, documents).numpy(), expected, atol=3e-3)


def test_batches_hold_every_text_once_and_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text longer than the bound goes alone."""
    monkeypatch.setattr("tools.embedded.last_layer.TOKENS_AT_A_TIME", 10)
    lengths = [3, 12, 4, 3, 1, 9]
    found = list(batches(lengths))
    assert sorted(at for batch in found for at in batch) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * max(lengths[at] for at in batch) <= 10 for batch in found)


def test_training_learns_what_the_labels_say(tmp_path: Path) -> None:
    """Labels against the untrained order: the trained layer follows, blend 0 is the untrained one, twice the same."""
    found = model({f"d{at}": [2, 20 + at, 11 + at, 3] for at in range(8)} | {"q": [2, 5, 6, 3]})
    start = parameters(make_weights().layers[-1])
    dataset = Dataset(tmp_path, {f"d{at}": f"d{at}" for at in range(8)}, {"q": "q"}, {"q": {}})
    held = HeldOut("tiny", dataset, {"q": [f"d{at}" for at in range(8)]})

    dataset.qrels["q"] = {"d0": 1}
    places = {}
    for at in range(8):
        dataset.qrels["q"] = {f"d{at}": 1}
        places[at] = float(train.measure(start, found, held)[0])
    worst = min(places, key=lambda at: places[at])
    dataset.qrels["q"] = {f"d{worst}": 1}
    example = Example("q", [f"d{worst}"], [f"d{at}" for at in range(8) if at != worst])

    trained = train.train(start, found, [example] * 4, steps=60, rate=1e-2)
    again = train.train(start, found, [example] * 4, steps=60, rate=1e-2)
    assert all(torch.equal(trained[name], again[name]) for name in trained)
    lines = {line["blend"]: line for line in train.figures(start, trained, found, [held])}
    assert lines[0.0]["nDCG@10"] == round(places[worst], 4) < 1
    assert lines[0.0]["difference"] == 0
    assert lines[1.0]["nDCG@10"] == 1
    assert lines[1.0]["difference"] == pytest.approx(1 - places[worst], abs=1e-4)


def make_sets(folder: Path) -> None:
    """Three sets in BEIR layout: twelve subjects, ten documents each, a question about each."""
    rows = [
        {
            "_id": f"{subject}-{at}",
            "title": "",
            "text": f"A {subject} is {'due' if not at else 'told of'} in part {at} of it.",
        }
        for subject in SUBJECTS
        for at in range(10)
    ]
    for name, splits in labels.SPLITS.items():
        (folder / name / "qrels").mkdir(parents=True)
        (folder / name / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
        asked = [{"_id": f"q-{subject}", "text": f"when is a {subject} due?"} for subject in SUBJECTS]
        (folder / name / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
        for place, split in enumerate(dict.fromkeys(splits)):
            some = SUBJECTS if len(set(splits)) == 1 else SUBJECTS[place::2]
            (folder / name / "qrels" / f"{split}.tsv").write_text("".join(f"q-{s}\t{s}-0\t1\n" for s in some))


def test_no_query_is_trained_on_and_measured_on(tmp_path: Path) -> None:
    """Where a set has one split too; every example has a relevant document and seven others that are not."""
    make_sets(tmp_path)
    for name in labels.SPLITS:
        shown, held = labels.split(tmp_path, name, 100, np.random.default_rng(0))
        assert shown
        assert held.candidates
        assert {example.query for example in shown}.isdisjoint(held.dataset.queries[query] for query in held.candidates)
        for example in shown:
            assert all("due" in text for text in example.relevant)
            assert len(set(example.others)) == labels.OTHERS
            assert not any(" due " in text and text in example.relevant for text in example.others)


def test_the_command_trains_and_its_weights_can_be_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the pinned weights to a graph: only the last layer differs, and the graph scores as that layer does."""
    make_sets(tmp_path)
    out = tmp_path / "trained.safetensors"
    arguments = ["--data", str(tmp_path), "--on", "fiqa", "--steps", "10", "--rate", "1e-3", "--out", str(out)]
    assert train.main(arguments) == 0
    *lines, written = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(line["dataset"], line["blend"]) for line in lines] == [
        (name, blend) for name in labels.SPLITS for blend in train.BLENDS
    ]

    start, trained = parse(find(WEIGHTS).read_bytes()), parse(read_pinned(out, written["sha256"]))
    for before, after in zip(start.layers[:-1], trained.layers[:-1], strict=True):
        assert np.array_equal(before.up, after.up)
    assert not np.array_equal(start.layers[-1].up, trained.layers[-1].up)

    vocabulary = find(TOKENIZER).read_bytes()
    write_model(out, find(TOKENIZER), tmp_path / "model", "fp32", written["sha256"])
    seal(tmp_path / "model", manifest("fp32", written["sha256"]))
    query, *documents = "when is a tax due?", "A tax is due in part 0 of it.", "A bond is told of in part 3 of it."
    states, idfs = train.read([query, *documents], trained, vocabulary), idf(vocabulary)
    last = parameters(trained.layers[-1])
    sides = [[states[text] for text in texts] for texts in ([query], documents)]
    expected = similarities(*(encode(last, side, idfs, trained.head_width) for side in sides))[0].numpy()
    with Scorer.open(tmp_path / "model", device="cpu") as scorer:
        found = (scorer.logits(query, documents) - SCORE.offset) / SCORE.scale
    np.testing.assert_allclose(found, expected, atol=3e-3)
    untrained = parameters(start.layers[-1])
    before = similarities(*(encode(untrained, side, idfs, start.head_width) for side in sides))[0].numpy()
    assert np.abs(expected - before).max() > 0.03


def test_without_a_relevant_document_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence and exit code 1; a judgement of 0 is none of relevance."""
    make_sets(tmp_path)
    judged = tmp_path / "fiqa" / "qrels" / "train.tsv"
    judged.write_text(judged.read_text().replace("\t1\n", "\t0\n"))
    assert train.main(["--data", str(tmp_path), "--on", "fiqa", "--steps", "1"]) == 1
    assert "nothing to train on: no query of fiqa" in capsys.readouterr().err
