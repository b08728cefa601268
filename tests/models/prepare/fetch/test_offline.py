"""Without the hub: what is in the cache, and the variables of the hub's client."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.prepare.fetch import fetch
from tests.support.hub import COMMIT, LIST, Fault, Hub, Repository
from tests.support.repository import ID, MINE, files, refusal, sha256


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_model_that_is_in_the_cache_needs_no_hub(hub: Hub, cache: Path, revision: str | None) -> None:
    """By its branch as it was last seen, or by its commit."""
    whole = fetch(ID)
    hub.stop()
    again = fetch(ID, revision=revision)
    assert (again.folder, again.files, again.source.revision) == (whole.folder, whole.files, COMMIT)


def test_a_model_that_is_half_in_the_cache_is_not_taken(hub: Hub, cache: Path) -> None:
    """Its weights never came."""
    hub.faults["model.safetensors"] = Fault(breaks_after=0)
    refusal()
    hub.stop()
    assert "is not complete in the cache" in refusal()


def test_a_sharded_model_that_lacks_a_shard_in_the_cache_is_not_taken(hub: Hub, cache: Path) -> None:
    """The index tells."""
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode()
    changes: dict[str, bytes | None] = {"model.safetensors": None, "model.safetensors.index.json": index}
    changes |= {"model-1.safetensors": b"1", "model-2.safetensors": b"2"}
    hub.repositories[ID] = Repository(files(**changes))
    folder = fetch(ID).folder
    hub.faults[LIST] = Fault(status=502)
    assert fetch(ID).folder == folder
    (folder / "model-2.safetensors").unlink()
    assert "is not complete in the cache" in refusal()


SCRIPT = """
import json, sys
from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch
try:
    checkpoint = fetch(sys.argv[1], from_onnx=True)
except PrepareError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({"files": checkpoint.files, "torch": "torch" in sys.modules or "transformers" in sys.modules}))
"""


def in_a_process_of_its_own(environ: Mapping[str, str]) -> dict[str, Any]:
    """Fetch with the client's own variables, which it reads when it is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ID],
        env=clean | {"NO_PROXY": "127.0.0.1"} | dict(environ),
        capture_output=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_clients_own_variables_hold(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_TOKEN and HF_HOME when it is fetched; HF_HUB_OFFLINE then, and in a home that lacks the model."""
    hub.repositories[ID] = Repository(files(), gated=True, token=MINE)
    environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    fetched = in_a_process_of_its_own(environ | {"HF_TOKEN": MINE})
    assert fetched["files"]["onnx/model.onnx"] == sha256(b"graph" * 100)
    assert not fetched["torch"]
    assert (tmp_path / "home" / "hub" / "models--acme--reranker").is_dir()
    assert {asked.headers["authorization"] for asked in hub.of(LIST)} == {f"Bearer {MINE}"}
    hub.asked.clear()
    assert in_a_process_of_its_own(environ | {"HF_HUB_OFFLINE": "1"}) == fetched
    empty = in_a_process_of_its_own(environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "empty")})
    assert empty["error"] == (
        f"{ID} at main is not complete in the cache ({tmp_path / 'empty'}) and HF_HUB_OFFLINE forbids downloads: "
        f"unset it, or download the model on another machine and copy the cache"
    )
    assert hub.asked == []
