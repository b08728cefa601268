"""The commands that pages tell readers to type exist, with every option that they are given."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from bench.cli import main as rerank_bench
from service.commands.group import rerank
from tests.support.markdown import ROOT, blocks, pages
from tools.docs import tables

GROUPS: dict[str, click.Command] = {"rerank": rerank, "rerank-bench": rerank_bench}
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMMAND = re.compile(r"^(?:\.venv/bin/)?(?P<program>rerank|rerank-bench|make|python -m|locust)(?= ) ")
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:rerank|rerank-bench|make|python -m) [^`]+)`")
METRIC = re.compile(r"\brerank_[a-z_]+\b")
IN_THE_HISTORY = {"models.embedded.recipe.train"}
"""Programs that decisions name with the commit that has them."""
SUFFIXES = re.compile(r"_(bucket|sum|count)$")
NOT_METRICS = {"rerank_server", "rerank_bench", "rerank_at", "rerank_fused"}


def commands(page: Path) -> Iterator[str]:
    """The commands of a page, in shell blocks and in running text."""
    for block in blocks(page, "sh", "bash"):
        yield from block.replace("\\\n", " ").splitlines()
    yield from INLINE.findall(page.read_text())


@pytest.mark.parametrize("page", pages("README.md", "CONTRIBUTING.md", "docs/*.md"), ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    """A make target, a module of Python, or a command with these options."""
    for line in commands(page):
        match = COMMAND.match(line)
        if match is None:
            continue
        words = shlex.split(line[match.end() :].replace("…", ""), comments=True)
        if match["program"] == "make":
            assert words[0] in TARGETS, line
        elif match["program"] == "python -m":
            assert words[0] in IN_THE_HISTORY or find_spec(words[0]), line
        elif match["program"] == "locust":
            assert (ROOT / words[words.index("-f") + 1]).is_file(), line
        else:
            _check(GROUPS[match["program"]], words, line)


def _check(command: click.Command, words: list[str], line: str) -> None:
    """Follow the subcommands, then look up each option."""
    while isinstance(command, click.Group) and words:
        name, *words = words
        assert name in command.commands, f"{name}: {line}"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{word}: {line}"


def test_every_metric_exists() -> None:
    """A metric that a page names is one that the server has."""
    known = set(METRIC.findall(tables.metrics_table())) | NOT_METRICS
    for page in pages("README.md", "docs/*.md"):
        for name in METRIC.findall(page.read_text()):
            assert SUFFIXES.sub("", name) in known, f"{page.name}: {name}"
