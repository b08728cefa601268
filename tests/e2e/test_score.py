"""`rerank score`: JSON lines in, JSON lines out, resumable, and a bad line costs only itself."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.scorer import Scorer
from service.commands.sidecar import path_of
from tests.support.server import RERANK, clean_environ, run_rerank
from tests.support.texts import PASSAGES, QUERY
from tests.support.tiny import make_artefact


def lines_of(file: Path) -> list[dict[str, Any]]:
    return lines(file.read_text())


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_documents_from_stdin_are_scored_in_their_order(scorer: Scorer) -> None:
    """Strings and objects, with the scorer's own scores."""
    given = "\n".join(json.dumps(text if n % 2 else {"text": text, "id": f"d{n}"}) for n, text in enumerate(PASSAGES))
    done = run_rerank("score", "--query", QUERY, stdin=given.encode())
    assert done.returncode == 0, done.stderr
    results = lines(done.stdout)
    assert [result["index"] for result in results] == list(range(len(PASSAGES)))
    assert [result.get("id") for result in results] == ["d0", None, "d2", None, "d4"]
    assert np.allclose([result["score"] for result in results], scorer.scores(QUERY, PASSAGES), atol=1e-5)


def test_a_line_may_bring_its_own_query(scorer: Scorer, tmp_path: Path) -> None:
    """Without --query every line needs one; raw scores are logits."""
    documents = tmp_path / "pairs.jsonl"
    queries = [QUERY, QUERY, "how is bread made?", QUERY, "how is bread made?"]
    pairs = list(zip(queries, PASSAGES, strict=True))
    documents.write_text("".join(json.dumps({"query": q, "text": t}) + "\n" for q, t in pairs))
    done = run_rerank("score", "--documents", str(documents), "--raw-scores")
    assert done.returncode == 0, done.stderr
    expected = [scorer.logits(query, [text])[0] for query, text in pairs]
    assert np.allclose([result["score"] for result in lines(done.stdout)], expected, atol=1e-5)


def test_bad_lines_are_told_and_cost_no_other(tmp_path: Path) -> None:
    """The output has a line for every line; the exit code tells that some failed."""
    given = b'"good"\n{"broken\n5\n{"id": 1}\n{"text": "fine", "id": 2}\n\n'
    done = run_rerank("score", "--query", QUERY, stdin=given)
    assert done.returncode == 1
    assert "3 lines could not be scored" in done.stderr
    results = lines(done.stdout)
    assert ["score" in result for result in results] == [True, False, False, False, True]
    assert "not JSON" in results[1]["error"]


def test_a_broken_run_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    """A half-written last line is made again; the result equals an unbroken run's."""
    documents, whole, broken = tmp_path / "in.jsonl", tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    documents.write_text(
        "".join(json.dumps({"text": f"{text} {n}", "id": n}) + "\n" for n in range(40) for text in PASSAGES[:1])
    )
    arguments = ("score", "--query", QUERY, "--documents", str(documents))
    assert run_rerank(*arguments, "--output", str(whole)).returncode == 0
    written = whole.read_bytes()
    broken.write_bytes(written[: written.index(b"\n", 700) - 5])
    shutil.copy(path_of(whole), path_of(broken))
    assert not broken.read_bytes().endswith(b"\n")
    assert run_rerank(*arguments, "--output", str(broken), "--skip-done").returncode == 0
    assert broken.read_bytes() == whole.read_bytes()
    again = run_rerank(*arguments, "--output", str(broken), "--skip-done")
    assert again.returncode == 0
    assert broken.read_bytes() == whole.read_bytes()


def numbered(count: int) -> bytes:
    return b"".join(json.dumps({"text": f"panda {n}", "id": n}).encode() + b"\n" for n in range(count))


def test_a_killed_run_is_taken_up_and_gives_an_unbroken_runs_file(tmp_path: Path) -> None:
    """Killed after a chunk, while it waits for more lines; then from a pipe: the same lines, the same order."""
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    assert run_rerank("score", "-q", QUERY, "-o", str(whole), stdin=numbered(90)).returncode == 0
    command = [str(RERANK), "score", "-q", QUERY, "-o", str(killed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environ()) as process:
        assert process.stdin is not None
        process.stdin.write(numbered(90)[: len(numbered(80)) + 7])
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not (killed.exists() and killed.read_bytes().count(b"\n") >= 64) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert killed.read_bytes() == b"".join(whole.read_bytes().splitlines(keepends=True)[:64])
    assert run_rerank("score", "-q", QUERY, "-o", str(killed), "--skip-done", stdin=numbered(90)).returncode == 0
    assert killed.read_bytes() == whole.read_bytes()
    assert path_of(killed).read_bytes() == path_of(whole).read_bytes()


def test_whatever_a_kill_left_is_taken_up(tmp_path: Path) -> None:
    """The sidecar is written before the lines that it accounts for: none, some and half of one may be there."""
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    assert run_rerank("score", "-q", QUERY, "-o", str(whole), stdin=numbered(70)).returncode == 0
    written = whole.read_bytes().splitlines(keepends=True)
    partial = path_of(killed).with_name(f".{path_of(killed).name}.partial")
    for left in (b"", b"".join(written[:64]), b"".join(written[:66]) + written[66][:9]):
        killed.write_bytes(left)
        shutil.copy(path_of(whole), path_of(killed))
        partial.write_bytes(b"{")
        assert run_rerank("score", "-q", QUERY, "-o", str(killed), "--skip-done", stdin=numbered(70)).returncode == 0
        assert killed.read_bytes() == whole.read_bytes()


def test_documents_may_have_grown(tmp_path: Path) -> None:
    """Lines that were added are scored; a last line that had no end has one now."""
    output = tmp_path / "out.jsonl"
    assert run_rerank("score", "-q", QUERY, "-o", str(output), stdin=numbered(2).rstrip()).returncode == 0
    again = run_rerank("score", "-q", QUERY, "-o", str(output), "--skip-done", stdin=numbered(4))
    assert again.returncode == 0, again.stderr
    assert [line["id"] for line in lines_of(output)] == [0, 1, 2, 3]


def test_an_existing_output_is_not_written_over(tmp_path: Path) -> None:
    """Lost work would be silent: it is refused, with the two ways out."""
    output = tmp_path / "out.jsonl"
    output.write_text('{"index":0,"score":0.5}\n')
    done = run_rerank("score", "--query", QUERY, "--output", str(output), stdin=b'"a"\n')
    assert done.returncode == 2
    assert "resume it with --skip-done" in done.stderr
    assert output.read_text() == '{"index":0,"score":0.5}\n'


def test_an_output_of_other_documents_is_refused(tmp_path: Path) -> None:
    """An id or a letter that differs in what was read shows that the file belongs to another input."""
    output = tmp_path / "out.jsonl"
    assert run_rerank("score", "-q", QUERY, "-o", str(output), stdin=b'{"text": "a", "id": "x"}\n').returncode == 0
    written = output.read_bytes()
    for other in (b'{"text": "a", "id": "y"}\n', b'{"text": "b", "id": "x"}\n'):
        done = run_rerank("score", "-q", QUERY, "-o", str(output), "--skip-done", stdin=other + b'"more"\n')
        assert done.returncode == 2
        assert "belongs to other documents: the first line differs from the one that it was made from" in done.stderr
    assert output.read_bytes() == written


def test_an_output_without_its_sidecar_is_not_gone_on_with(tmp_path: Path) -> None:
    """Made by hand or by an earlier version: what it was made of is not known. Nor may it have lines of its own."""
    output = tmp_path / "out.jsonl"
    arguments = ("score", "-q", QUERY, "-o", str(output), "--skip-done")
    output.write_text('{"index":0,"score":0.5}\n')
    done = run_rerank(*arguments, stdin=b'"a"\n')
    assert done.returncode == 2
    assert (
        "has no out.jsonl.job.json beside it, so it was not written by this version of rerank score: use another"
        in done.stderr
    )
    assert output.read_text() == '{"index":0,"score":0.5}\n'
    output.unlink()
    assert run_rerank(*arguments, stdin=b'"a"\n').returncode == 0
    output.write_text(output.read_text() + '{"index":1,"score":0.5}\n')
    assert "has more lines than out.jsonl.job.json records" in run_rerank(*arguments, stdin=b'"a"\n"b"\n').stderr


def test_a_pipe_is_read_once(scorer: Scorer) -> None:
    """Counting the lines for the progress bar must not eat what a pipe can give only once."""
    given = "".join(json.dumps(text) + "\n" for text in PASSAGES)
    done = run_rerank("score", "-q", QUERY, "-d", "/dev/stdin", stdin=given.encode())
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stdout)) == len(PASSAGES)


def test_a_run_of_another_kind_is_not_gone_on_with(tmp_path: Path) -> None:
    """Another query, model, kind of score or chunks, or fewer documents: two kinds of score would be in one file."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_text("".join(json.dumps(text) + "\n" for text in PASSAGES))
    arguments = ("score", "-d", str(documents), "-o", str(output))
    assert run_rerank(*arguments, "-q", QUERY).returncode == 0
    written = output.read_bytes()
    make_artefact(tmp_path / "mine")
    for options, names in (
        (("-q", "how is bread made?"), ["query"]),
        (("-q", QUERY, "--raw-scores"), ["raw-scores"]),
        (("-q", QUERY, "--max-chunks-per-doc", "2", "--overlap-tokens", "3"), ["max-chunks-per-doc", "overlap-tokens"]),
        (("-q", QUERY, "--model", str(tmp_path / "mine")), ["model", "max-tokens"]),
    ):
        done = run_rerank(*arguments, *options, "--skip-done")
        assert done.returncode == 2
        assert re.findall(r"another --([\w-]+) \(", done.stderr) == names
    documents.write_text(json.dumps(PASSAGES[0]) + "\n")
    fewer = run_rerank(*arguments, "-q", QUERY, "--skip-done")
    assert "other documents: it was made from 5 lines, but only 1 was given" in fewer.stderr
    assert output.read_bytes() == written


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that is not there, and a full disk, are one sentence each."""
    nowhere = run_rerank("score", "-q", QUERY, "-o", str(tmp_path / "no" / "out"), stdin=b'"a"\n')
    assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (2, True)
    full = run_rerank("score", "-q", QUERY, "-o", "/dev/full", stdin=b'"a"\n')
    assert (full.returncode, "No space left" in full.stderr) == (1, True)
    assert "Traceback" not in nowhere.stderr + full.stderr


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a foreign output and --skip-done without a file are one sentence each."""
    assert "cannot be read" in run_rerank("score", "-q", QUERY, "-d", str(tmp_path / "none")).stderr
    assert "--skip-done needs --output" in run_rerank("score", "-q", QUERY, "--skip-done").stderr
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("not ours\n")
    assert (
        "was not written by this version of rerank score"
        in run_rerank("score", "-q", QUERY, "-o", str(foreign), "--skip-done").stderr
    )


def test_models_list_tells_what_is_ready(tmp_path: Path) -> None:
    """The embedded model is; bge-reranker-v2-m3 is known; a damaged folder and one that needs remote code are told."""
    make_artefact(tmp_path / "mine")
    make_artefact(tmp_path / "hurt")
    (tmp_path / "hurt" / "model.onnx").write_bytes(b"")
    done = run_rerank("models", "list", "--models-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    states = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert "ready" in states["embedded"]
    assert "ready" in states["mine"]
    assert "damaged" in states["hurt"]
    assert "not prepared" in states["bge-reranker-v2-m3"]
    assert states["bge-reranker-v2-m3"].split()[-6:] == ["8192", "568M", "Apache-2.0", "2024-03-18", "$0.020", "BAAI"]
    assert "refused: --from-onnx" in states["jina-reranker-v1-turbo-en"]
    refused = run_rerank("serve", "--model", "jina-reranker-v1-turbo-en", "--models-dir", str(tmp_path))
    assert "run `rerank models prepare jina-reranker-v1-turbo-en --from-onnx`" in refused.stderr


def test_models_list_has_a_line_for_every_prepared_precision_and_fits_a_terminal(tmp_path: Path) -> None:
    """A model that is prepared twice has two lines, in at most 140 columns; its card gives size, date and price."""
    for precision in ("fp32", "int8"):
        make_artefact(tmp_path / "bge-reranker-v2-m3" / precision)
    make_artefact(tmp_path / "acme--own" / "fp16")
    (tmp_path / "acme--own" / "fp16" / "model.onnx").unlink()
    lines = run_rerank("models", "list", "--models-dir", str(tmp_path)).stdout.splitlines()
    assert " ".join(lines[0].split()) == "NAME STATE PRECISION MAX TOKENS PARAMETERS LICENCE RELEASED PRICE SOURCE"
    assert [line.split()[1] for line in lines if line.startswith("bge-reranker-v2-m3")] == ["ready", "ready"]
    assert next(line for line in lines if line.startswith("bge-reranker-v2-m3")).split()[-3:-1] == [
        "2024-03-18",
        "$0.020",
    ]
    damaged = next(line for line in lines if line.startswith("acme--own")).split()
    assert damaged[1:4] == ["damaged", "fp16", "-"]
    assert max(len(line) for line in lines if "acme--own" not in line) <= 140
