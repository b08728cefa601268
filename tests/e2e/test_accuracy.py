"""The served embedded model's accuracy, measured by the bench over HTTP as a user measures it."""

import json
import subprocess
from pathlib import Path

from tests.support.server import RERANK, Server, clean_environ


def test_the_served_embedded_model_beats_bm25_on_dl19(server: Server, data_dir: Path, tmp_path: Path) -> None:
    """nDCG@10 of at least .635 over BM25's top 50 (.5058) on TREC DL 2019, every query answered."""
    command = [
        str(RERANK.with_name("rerank-bench")),
        "run",
        "--url",
        server.url,
        "--data",
        "msmarco-dl19",
        "--results",
        str(tmp_path),
    ]
    done = subprocess.run(
        command, env=clean_environ() | {"RERANK_DATA": str(data_dir)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "accuracy" / "msmarco-dl19" / "rerank.json").read_bytes())
    assert measured["queries"] == 43
    assert abs(measured["first_stage"]["nDCG@10"]["value"] - 0.5058) < 0.005
    assert measured["measures"]["nDCG@10"]["value"] >= 0.635
