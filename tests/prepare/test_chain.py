"""The whole chain in one process: a folder with a checkpoint becomes a sealed artefact that scores as transformers."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.artefact import Precision, load
from models.prepare import published
from models.prepare.errors import PrepareError
from models.prepare.prepare import Order, prepare
from models.prepare.progress import Progress
from models.prepare.reference import read
from models.prepare.torch_model import open_model, reference
from models.scorer import Scorer
from tests.prepare.families import WINDOW, make
from tests.tiny import WORDS

pytestmark = pytest.mark.prepare

QUERY = "what is a panda"
DOCUMENTS = ["a bear of china", "bread", "the oven is a bread oven of one two three four", "panda"]


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family's checkpoint as a user's folder has it."""
    folder = tmp_path_factory.mktemp(request.param)
    made = make(folder, request.param, initializer_range=0.08)  # rounds well enough to pass int8's gates
    (folder / "tokenizer.json").rename(made / "tokenizer.json")
    return made


@pytest.fixture(scope="module")
def models_dir(checkpoint: Path) -> Path:
    return checkpoint.parent / "models"


def order(checkpoint: Path, precision: Precision, **others: object) -> Order:
    """Order with texts of the tiny tokenizer's own words: of those that ship, it knows hardly any."""
    texts = checkpoint.parent / "texts.jsonl"
    if not texts.exists():
        random = np.random.default_rng(0)
        lines = [
            {"query": " ".join(random.choice(WORDS, 4)), "passage": " ".join(random.choice(WORDS, 30))}
            for _ in range(40)
        ]
        texts.write_text("\n".join(json.dumps(line) for line in lines))
    return Order(model=str(checkpoint), precision=precision, device="cpu", texts=texts, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["fp32", "int8", "fp16"])
def test_a_checkpoint_becomes_an_artefact(checkpoint: Path, models_dir: Path, precision: Precision) -> None:
    """Sealed with its figures, its tools and its source; a later precision takes the first one's reference."""
    steps: list[str] = []
    artefact = prepare(order(checkpoint, precision), models_dir, Progress(steps.append))
    manifest = load(artefact.folder).manifest
    assert artefact.folder == models_dir / checkpoint.name / precision
    assert (manifest.precision, manifest.max_tokens) == (precision, WINDOW)
    assert manifest.batchable == (precision != "int8")
    assert set(manifest.files) == {"model.onnx", "model.onnx.data", "tokenizer.json", "parity.json"}
    assert {"torch", "transformers", "onnx", "tokenizers"} <= set(manifest.tools)
    assert manifest.parity["failures"] == []
    assert manifest.parity["agreement"]["classes"]["64"]["pairs"] == 40
    assert "torch" in manifest.parity["reference"]
    assert "model.safetensors" in read(artefact.folder).checkpoint
    assert ("reference …" in steps) == (precision == "fp32")
    model = open_model(checkpoint)
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        expected = reference(model, scorer.tokeniser.pairs(QUERY, DOCUMENTS), Progress(steps.append))
        found = scorer.logits(QUERY, DOCUMENTS)
    bound = {"fp32": 1e-5, "fp16": 0.02, "int8": 0.5}[precision] * float(np.std(read(artefact.folder).logits))
    assert np.abs(found - expected).max() < max(bound, 1e-5)


def test_published_scores_that_are_not_met_seal_nothing(checkpoint: Path, tmp_path: Path) -> None:
    """The gate is named, and no folder is left."""
    (tmp_path / "scores.json").write_text('[{"source": "t", "pairs": [["panda", "bear"]], "logits": [50.0]}]')
    with pytest.raises(PrepareError, match=r"is not sealed.*published logit 50.000"):
        prepare(
            order(checkpoint, "fp32", published=tmp_path / "scores.json"), tmp_path / "models", Progress(lambda _: None)
        )
    left = [path.name for path in (tmp_path / "models" / checkpoint.name).iterdir() if path.suffix != ".lock"]
    assert left == []


def test_published_scores_that_are_met_are_recorded(checkpoint: Path, tmp_path: Path) -> None:
    """They stand in the manifest beside what was found."""
    model = open_model(checkpoint)
    with Scorer.open(prepare(order(checkpoint, "fp32"), tmp_path, Progress(lambda _: None)).folder) as scorer:
        logit = float(reference(model, scorer.tokeniser.pairs("panda", ["bear"]), Progress(lambda _: None))[0])
    (tmp_path / "scores.json").write_text(f'[{{"source": "t", "pairs": [["panda", "bear"]], "logits": [{logit}]}}]')
    again = order(checkpoint, "fp32", published=tmp_path / "scores.json", force=True)
    (one,) = prepare(again, tmp_path, Progress(lambda _: None)).manifest.parity["published"]
    assert abs(one["published"] - one["found"]) < 1e-4
    assert published.BOUNDS["fp32"] < published.BOUNDS["int8"]
