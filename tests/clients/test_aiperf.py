"""NVIDIA AIPerf, a console program that measures rerankers, by each of its three endpoint types."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.expected import KEY, MODEL
from tests.clients.loopback import settings
from tests.support.server import Server

REQUESTS = 6
AIPERF = Path(sys.executable).parent / "aiperf"
ROOT = Path(__file__).parents[2]
HELD = """
import pathlib
from tests.clients.loopback import hold
hold([], pathlib.Path({note!r}))
"""
"""Every Python process of AIPerf's starts with this, so that none can leave the machine."""
TYPES = pytest.mark.parametrize("endpoint_type", ["hf_tei_rankings", "cohere_rankings", "nim_rankings"])


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model's tokenizer as a folder that transformers reads: AIPerf writes its texts with one."""
    folder = tmp_path_factory.mktemp("tokenizer")
    shutil.copy(ROOT / "models" / "embedded" / "tokenizer.json", folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


def profile(server: Server, key: str, endpoint_type: str, folder: Path, tokenizer: Path) -> Any:
    """Run AIPerf against a server, with its artefacts in a folder; how it ended."""
    command = [
        *(str(AIPERF), "profile", "--endpoint-type", endpoint_type, "--url", server.url, "--api-key", key),
        *("--model", MODEL, "--tokenizer", str(tokenizer), "--random-seed", "1"),
        *("--request-count", str(REQUESTS), "--concurrency", "2", "--num-dataset-entries", "3"),
        *("--rankings-passages-mean", "4", "--rankings-passages-prompt-token-mean", "20"),
        *("--rankings-query-prompt-token-mean", "6", "--output-artifact-dir", str(folder)),
        *("--no-gpu-telemetry", "--no-server-metrics", "--ui", "none"),
    ]
    note = folder / "asked"
    (folder / "sitecustomize.py").write_text(HELD.format(note=str(note)))
    environ = settings(os.environ) | {
        "AIPERF_SERVICE_DISABLE_UVLOOP": "true",  # uvloop's sockets are not Python's: they could not be held
        "HOME": str(folder),
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
    }
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        del environ[variable]  # with these it takes a tokenizer by its name at the hub alone, never a folder
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert not note.exists(), note.read_text()
    return done


@TYPES
def test_measures_without_an_error(closed: Server, tokenizer: Path, tmp_path: Path, endpoint_type: str) -> None:
    """With a key, every request is answered with rankings that AIPerf can read."""
    done = profile(closed, KEY, endpoint_type, tmp_path, tokenizer)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "profile_export_aiperf.json").read_text())
    assert report["request_count"]["avg"] == REQUESTS
    assert not report["error_summary"]
    assert report["request_latency"]["p90"] > 0


def test_a_wrong_key_is_counted_as_errors(closed: Server, tokenizer: Path, tmp_path: Path) -> None:
    """Not one request passes for good, and each record has the status and the server's sentence."""
    done = profile(closed, "sk-wrong", "cohere_rankings", tmp_path, tokenizer)
    assert done.returncode != 0
    records = [json.loads(line) for line in (tmp_path / "profile_export.jsonl").read_text().splitlines()]
    assert [record["error"]["code"] for record in records] == [401] * REQUESTS
    assert all("API key" in record["error"]["message"] for record in records)
