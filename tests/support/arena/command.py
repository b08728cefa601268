"""`rerank-bench arena` as a user types it, and what it leaves."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from bench import records
from bench.arena.records import ArenaRecord
from bench.cli import main


def arena(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["arena", "--results", str(root / "results"), "--data", str(root / "toy"), *arguments]
    )


def llm(url: str, *more: str) -> list[str]:
    return ["--judge", "llm", "--judge-url", url, "--judge-model", "judge-1", *more]


def read(root: Path, judge: str) -> ArenaRecord:
    record: ArenaRecord = records.read_as(root / "results" / "arena" / f"{judge}.json", ArenaRecord)
    return record


def figures(record: ArenaRecord) -> dict[str, Any]:
    """All of a record but when, where and by which command it was made."""
    told = {name: getattr(record, name) for name in record.__struct_fields__ if name != "provenance"}
    return told | {"settings": record.provenance.settings}


def sentence(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    return result.stderr.strip().splitlines()[-1]
