"""Pairs on which the served model fails: their request is answered by one clean error, and no neighbour pays."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.artefact import seal
from models.scorer import Scorer
from tests.support.server import Server
from tests.support.tiny import make_artefact, make_manifest

GOOD = ["panda bear", "the oven", "bread of china"]


@pytest.mark.parametrize("flags", [(), ("--max-batch-tokens", "1000")])
def test_a_token_without_a_row_in_the_word_table_fails_its_own_request_only(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """One pair at a time and in batches; the log has the cause in one line each, without a traceback."""
    make_artefact(tmp_path)
    graph = onnx.load(tmp_path / "model.onnx")
    table = next(each for each in graph.graph.initializer if each.name == "words")
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table)[:-1], "words"))  # the row of "four"
    onnx.save(graph, tmp_path / "model.onnx")
    seal(tmp_path, make_manifest())
    with Scorer.open(tmp_path, device="cpu") as scorer:
        expected = scorer.scores("the panda", GOOD)
    with Server("--model", str(tmp_path), *flags) as server:

        def ask(number: int) -> int:
            if number % 3:
                assert np.allclose(server.scores("the panda", GOOD), expected, atol=1e-6)
                return 200
            answer = server.rerank("the panda", [*GOOD, "four"])
            assert answer.json()["message"] == "the model failed on the document with index 3"
            return answer.status_code

        with ThreadPoolExecutor(12) as threads:
            statuses = list(threads.map(ask, range(60)))
        log = server.log()
    assert statuses == [200 if number % 3 else 500 for number in range(60)]
    assert "the model failed on a pair of 6 tokens: indices element out of data bounds" in log
    assert "Traceback" not in log
