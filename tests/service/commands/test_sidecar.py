"""The sidecar of an output of `rerank score`: what it tells, and what it takes for the same."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.commands.sidecar import (
    CountedLines,
    LinesRead,
    ScoringJob,
    Sidecar,
    check_documents,
    check_job,
    path_of,
    read,
    write,
)
from service.settings import SettingsError

OUTPUT = Path("scores.jsonl")
JOB = ScoringJob(
    model="m@sha256:00", query="q", raw_scores=False, max_tokens=512, max_chunks_per_doc=1, overlap_tokens=0
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Beside the output, by its name; written again, it is replaced and nothing else is left."""
    for count in (1, 2):
        sidecar = Sidecar(job=JOB, documents=LinesRead(count=count, sha256="ab"))
        write(tmp_path / "scores.jsonl", sidecar)
        assert read(tmp_path / "scores.jsonl") == sidecar
    assert [file.name for file in tmp_path.iterdir()] == ["scores.jsonl.job.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"format": 2}', b'{"format": 1}'])
def test_a_sidecar_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    """Damaged, or of a version that is not known here."""
    path_of(tmp_path / "out").write_bytes(content)
    with pytest.raises(
        SettingsError, match=r"out\.job\.json is not a valid sidecar of .* delete both to start over"
    ) as raised:
        read(tmp_path / "out")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model", "m@sha256:01", "another --model ('m@sha256:00', now 'm@sha256:01')"),
        ("query", None, "another --query ('q', now None)"),
        ("raw_scores", True, "another --raw-scores (False, now True)"),
        ("max_tokens", 256, "another --max-tokens (512, now 256)"),
        ("max_chunks_per_doc", 2, "another --max-chunks-per-doc (1, now 2)"),
        ("overlap_tokens", 1, "another --overlap-tokens (0, now 1)"),
    ],
)
def test_any_other_job_is_refused_by_what_differs(field: str, value: Any, words: str) -> None:
    """The sentence names that and nothing else; every field of a job is one that tells jobs apart."""
    other = msgspec.structs.replace(JOB, **{field: value})
    with pytest.raises(SettingsError) as raised:
        check_job(OUTPUT, JOB, other)
    assert str(raised.value) == f"scores.jsonl was made with {words}: use the same options, or another --output"
    check_job(OUTPUT, other, other)


def test_lines_are_counted_and_hashed_as_they_are_read() -> None:
    """The hash is sha256 over the lines so far, whether the last has an end or not; what is not read does not count."""
    lines = CountedLines([b"one\n", b"\n", b"two"])
    assert lines.so_far == LinesRead(count=0, sha256=hashlib.sha256().hexdigest())
    assert [next(lines), next(lines)] == [b"one\n", b"\n"]
    assert lines.so_far == LinesRead(count=2, sha256=hashlib.sha256(b"one\n\n").hexdigest())
    assert list(lines) == [b"two"]
    assert lines.so_far == LinesRead(count=3, sha256=hashlib.sha256(b"one\n\ntwo\n").hexdigest())


def test_other_documents_are_refused() -> None:
    """Fewer lines, or another line among them; the same lines pass."""
    earlier = LinesRead(count=2, sha256="aa")
    check_documents(OUTPUT, earlier, earlier)
    with pytest.raises(
        SettingsError, match="belongs to other documents: it was made from 2 lines, but only 1 was given"
    ):
        check_documents(OUTPUT, earlier, LinesRead(count=1, sha256="aa"))
    with pytest.raises(
        SettingsError, match="other documents: the first 2 lines differ from those that it was made from"
    ):
        check_documents(OUTPUT, earlier, LinesRead(count=2, sha256="bb"))
