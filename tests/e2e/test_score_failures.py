"""`rerank score` on lines that cannot be scored: each costs only itself, is told by its number, and is tried again."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.artefact import seal
from models.scorer import Scorer
from service.commands.sidecar import path_of
from tests.support.server import RERANK, run_rerank
from tests.support.texts import PASSAGES, QUERY
from tests.support.tiny import make_artefact, make_manifest

GOOD, BAD = ["panda bear", "the oven", "bread of china"], "four zebras"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def jsonl(texts: list[str]) -> bytes:
    return "".join(json.dumps(text) + "\n" for text in texts).encode()


def with_words(folder: Path, change: Callable[[Any], Any]) -> Path:
    """Make a tiny model with another word table."""
    make_artefact(folder)
    graph = onnx.load(folder / "model.onnx")
    table = next(each for each in graph.graph.initializer if each.name == "words")
    table.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(table).copy()), "words"))
    onnx.save(graph, folder / "model.onnx")
    seal(folder, make_manifest())
    return folder


def too_small(folder: Path) -> Path:
    """The last word of the vocabulary, "four", has no row in the word table."""
    return with_words(folder, lambda table: table[:-1])


def not_finite(folder: Path) -> Path:
    """The vector of the last word is not a number."""

    def spoil(table: Any) -> Any:
        table[-1] = np.nan
        return table

    return with_words(folder, spoil)


def without_a_word(folder: Path) -> Path:
    """The tokenizer has no token for unknown words, such as "zebras", but knows those of the warm-up."""
    make_artefact(folder)
    tokenizer = folder / "tokenizer.json"
    text = tokenizer.read_text().replace('"unk_token": "[UNK]"', '"unk_token": "absent"')
    tokenizer.write_text(text.replace('"what"', '"warm"').replace('"is"', '"up"'))
    seal(folder, make_manifest())
    return folder


@pytest.mark.parametrize(
    ("model", "words"),
    [(too_small, "indices element out of data bounds"), (not_finite, "not finite"), (without_a_word, "tokenised")],
)
def test_a_line_on_which_the_model_fails_costs_no_other(
    tmp_path: Path, model: Callable[[Path], Path], words: str
) -> None:
    """The others have the scores that they have without it; stderr has a sentence, and the exit code is 1."""
    folder = model(tmp_path / "model")
    given = [*GOOD[:1], BAD, *GOOD[1:]]
    done = run_rerank("score", "-q", "the panda", "--model", str(folder), stdin=jsonl(given))
    assert done.returncode == 1
    assert done.stderr == "Error: 1 line could not be scored; see the reason in the output\n"
    results = lines(done.stdout)
    with Scorer.open(folder, device="cpu") as scorer:
        expected = scorer.scores("the panda", GOOD)
    scores = [result["score"] for result in results if "score" in result]
    assert np.allclose(scores, expected, atol=1e-6)
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert results[1]["error"].startswith("line 2: ")
    assert words in results[1]["error"]


def test_a_document_whose_chunk_fails_has_no_score(tmp_path: Path) -> None:
    """The best of the other chunks would be a wrong figure."""
    folder = too_small(tmp_path / "model")
    long = " ".join(["panda"] * 40 + [BAD])
    arguments = ("score", "-q", "the panda", "--model", str(folder), "--max-chunks-per-doc", "3")
    done = run_rerank(*arguments, stdin=jsonl([long, "panda"]))
    assert ["error" in result for result in lines(done.stdout)] == [True, False]


def test_failed_lines_are_tried_again_and_the_rest_is_kept(tmp_path: Path) -> None:
    """--skip-done scores exactly what failed or is missing; the order stays that of the lines."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_bytes(jsonl(PASSAGES))
    arguments = ("score", "-q", QUERY, "-d", str(documents), "-o", str(output))
    assert run_rerank(*arguments).returncode == 0
    whole = output.read_bytes().splitlines(keepends=True)
    kept = b'{"index":0,"score":0.125}\n'
    failed = b'{"index":1,"error":"line 2: the model failed: out of memory"}\n'
    output.write_bytes(kept + failed + b"".join(whole[2:]))
    again = run_rerank(*arguments, "--skip-done")
    assert again.returncode == 0, again.stderr
    assert output.read_bytes() == kept + b"".join(whole[1:])


def test_a_run_killed_while_it_tried_again_is_taken_up(tmp_path: Path) -> None:
    """Some retried results stand at the end of the file: the last result of a line counts, and order is restored."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_bytes(jsonl(PASSAGES))
    arguments = ("score", "-q", QUERY, "-d", str(documents), "-o", str(output))
    assert run_rerank(*arguments).returncode == 0
    whole = output.read_bytes().splitlines(keepends=True)
    failed = [b'{"index":%d,"error":"line %d: no memory"}\n' % (n, n + 1) for n in range(2)]
    output.write_bytes(b"".join([*failed, *whole[2:], whole[0], whole[1][:9]]))
    assert run_rerank(*arguments, "--skip-done").returncode == 0
    assert output.read_bytes() == b"".join(whole)
    assert path_of(output).is_file()


def test_an_invalid_line_is_told_by_its_number_and_tried_again(tmp_path: Path) -> None:
    """Lines and columns count from 1; a line that stays invalid is told in every run, once."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_bytes(b'"fine"\n\n{"text": broken}\n{"id": 1}\n"caf\xe9"\n')
    arguments = ("score", "-q", QUERY, "-d", str(documents), "-o", str(output))
    for flags in ((), ("--skip-done",), ("--skip-done",)):
        done = run_rerank(*arguments, *flags)
        assert (done.returncode, done.stderr) == (
            1,
            "Error: 3 lines could not be scored; see the reason in the output\n",
        )
        results = lines(output.read_text())
        assert [result["index"] for result in results] == [0, 2, 3, 4]
        assert results[1]["error"] == "line 3: the line is not JSON: invalid character (column 10)"
        assert results[2]["error"].startswith("line 4: ")
        assert results[3]["error"] == "line 5: the line is not valid UTF-8 (column 5)"


def test_a_model_that_fails_on_every_pair_is_refused(tmp_path: Path) -> None:
    """As by the server: one sentence, and no output full of errors."""
    folder = with_words(tmp_path / "model", lambda table: table[:1])
    output = tmp_path / "out.jsonl"
    done = run_rerank("score", "-q", "the panda", "--model", str(folder), "-o", str(output), stdin=jsonl(GOOD))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the model fails on a short test pair: indices element out of data bounds")
    again = run_rerank("score", "-q", QUERY, "-o", str(output), stdin=jsonl(PASSAGES))
    assert again.returncode == 0, "nothing was left that stands in the way"


def test_a_compressed_file_is_told(tmp_path: Path) -> None:
    """Not as a line that is no JSON."""
    documents = tmp_path / "documents.jsonl.gz"
    documents.write_bytes(gzip.compress(b'{"document": "bamboo"}\n'))
    done = run_rerank("score", "-q", QUERY, "-d", str(documents), "-o", str(tmp_path / "scores.jsonl"))
    assert done.returncode == 2
    assert done.stderr == f"Error: --documents {documents} is compressed with gzip: decompress it first\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    """One sentence that names the encoding, instead of an error for every line."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_bytes('"ein Bär"\n"und Brot"\n'.encode(encoding))
    done = run_rerank("score", "-q", QUERY, "-d", str(documents), "-o", str(output))
    assert done.returncode == 2
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert done.stderr == (
        f"Error: --documents {documents} is in {name}, not in UTF-8: convert it with iconv -f {name} -t UTF-8\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"], "nothing is left beside it"
    piped = run_rerank("score", "-q", QUERY, stdin=documents.read_bytes())
    assert (piped.returncode, name in piped.stderr) == (2, True)


def test_odd_but_valid_utf_8_is_scored() -> None:
    """A byte order mark, NUL and half a surrogate pair."""
    given = b'\xef\xbb\xbf"one"\n"a\\u0000b"\n"cut \\ud83d"\n{"text": "x", "query": "\\udc3c?", "id": "\\ud800"}\n'
    done = run_rerank("score", "-q", QUERY, stdin=given)
    assert done.returncode == 0, done.stderr
    assert ["score" in result for result in lines(done.stdout)] == [True] * 4


def test_a_query_that_is_not_utf_8_is_refused() -> None:
    """The bytes of a Latin-1 terminal."""
    done = run_rerank("score", "-q", "caf\udce9", stdin=b'"a"\n')
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --query is not valid UTF-8: ")
    assert done.stdout == ""


def test_files_whose_names_are_not_utf_8_are_read_and_written(tmp_path: Path) -> None:
    """A name is bytes; only a text must be UTF-8."""
    documents, output, model = tmp_path / "in\udcff", tmp_path / "out\udcff", tmp_path / "model\udcff"
    documents.write_bytes(b'"panda"\n')
    make_artefact(tmp_path / "model")
    shutil.copytree(tmp_path / "model", model)
    arguments = ("score", "-q", "panda", "-d", str(documents), "-o", str(output))
    for flags in ((), ("--skip-done",)):
        assert run_rerank(*arguments, *flags).returncode == 0
    again = run_rerank(*arguments)
    assert (again.returncode, "exists: resume it" in again.stderr, "Traceback" in again.stderr) == (2, True, False)
    unreadable = run_rerank("score", "-q", "panda", "--model", str(model))
    assert (unreadable.returncode, "Traceback" in unreadable.stderr) == (2, False)
    listed = subprocess.run([RERANK, "models", "list", "--models-dir", tmp_path], capture_output=True)
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert b"model\xff" in listed.stdout
