"""Artefacts of every manifest format that a release has written: read by the present code, and of the same content.

The samples in tests/kept/artefacts were made by the code of their time and are never made again.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.artefact import Manifest, load, seal
from models.catalogue import EMBEDDED
from models.manifest_formats import FORMAT, to_present
from models.prepare.gates import Agreement
from models.prepare.progress import Progress
from models.prepare.verify import verify_folder
from models.scorer import Scorer
from models.store import find

KEPT = Path(__file__).parent.parent / "kept" / "artefacts"
SILENT = Progress(lambda _: None)
QUERY, DOCUMENTS = "what is a panda", ["a bear of china", "bread", "", "the oven is a bread oven of one two three four"]
FOLDERS = [
    (format_folder / name, expected)
    for format_folder in sorted(KEPT.iterdir())
    for name, expected in json.loads((format_folder / "expected.json").read_text()).items()
]


def raw_manifest(folder: Path) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return raw


def test_every_older_format_has_its_samples() -> None:
    """A new format does not come without samples of the one before it."""
    assert [folder.name for folder in sorted(KEPT.iterdir())] == [f"format-{number}" for number in range(1, FORMAT)]
    for folder, _ in FOLDERS:
        assert raw_manifest(folder)["format"] == int(folder.parent.name.removeprefix("format-"))


@pytest.mark.parametrize(("folder", "expected"), FOLDERS, ids=lambda value: getattr(value, "name", ""))
def test_a_kept_artefact_is_what_it_was(folder: Path, expected: dict[str, Any]) -> None:
    """It has the sha256 and the logits that its own version gave, and passes the gates as it did."""
    artefact = load(folder)
    assert artefact.sha256 == expected["sha256"]
    with Scorer.open(folder, device="cpu") as scorer:
        assert scorer.logits(QUERY, DOCUMENTS).tolist() == pytest.approx(expected["logits"], abs=1e-6)
    agreement = msgspec.convert(artefact.manifest.parity["agreement"], Agreement)
    assert agreement.batch_variance == expected["batch_variance"]
    assert artefact.manifest.batchable == (agreement.batch_variance is not None)
    assert verify_folder(folder, None, "cpu", SILENT)[1].failures == []
    assert find(str(folder), Path("/nowhere"), "fp32") == folder


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in KEPT.rglob("manifest.json")), ids=lambda folder: folder.name
)
def test_only_names_change_on_the_way_to_the_present_format(folder: Path) -> None:
    """Every value of a kept manifest stands in the present one, and the kept one is left as it is."""
    raw = raw_manifest(folder)
    text = json.dumps(raw)
    present = to_present(raw)
    assert json.dumps(raw) == text
    manifest = msgspec.convert(present, Manifest)
    assert manifest.format == FORMAT
    agreement = raw["parity"].pop("agreement")
    assert manifest.parity["agreement"].pop("batch_variance") == agreement.pop("company")
    assert msgspec.to_builtins(manifest) == raw | {
        "format": FORMAT,
        "parity": raw["parity"] | {"agreement": agreement},
    }


def test_the_present_format_is_left_as_it_is() -> None:
    """What is written now is read as it was written."""
    present = to_present(raw_manifest(KEPT / "format-1" / "embedded"))
    assert to_present(present) == present


def test_the_embedded_model_is_the_one_that_it_was() -> None:
    """The same files as under format 1, and so the same sha256 in /info."""
    kept = msgspec.convert(to_present(raw_manifest(KEPT / "format-1" / "embedded")), Manifest)
    manifest = load(EMBEDDED).manifest
    assert manifest.files == kept.files
    assert manifest.source == kept.source


def test_an_artefact_that_is_sealed_again_has_the_present_format(tmp_path: Path) -> None:
    """Its files and their agreement stay."""
    folder = KEPT / "format-1" / "batchable"
    for name in load(folder).manifest.files:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    sealed = seal(tmp_path, load(folder).manifest)
    assert raw_manifest(tmp_path)["format"] == FORMAT
    assert sealed.manifest == load(folder).manifest
    assert np.isfinite(sealed.manifest.parity["agreement"]["batch_variance"])
