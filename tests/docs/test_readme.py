"""The README: short, true to the measurements, and its example answers as it says."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from models.catalogue import CARDS
from service.settings import settings_list
from tests.support.markdown import ROOT, blocks, pages, sentences
from tests.support.server import Server
from tools.docs.charts import rates

README = ROOT / "README.md"
MOST_LINES, MOST_WORDS = 140, 900
HERE = "localhost:8000"
MADE_ANEW = {"id", "created"}


def test_it_can_be_read_in_two_minutes() -> None:
    """Few lines, few words."""
    text = README.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert len(text.split()) <= MOST_WORDS


@pytest.mark.parametrize("page", [README, ROOT / "docs/quickstart.md"], ids=lambda page: page.name)
def test_the_example_answers_as_shown(server: Server, page: Path) -> None:
    """The curl command is run, and its answer compared; other CPUs round the scores apart."""
    (command,) = [block for block in blocks(page, "sh") if block.startswith("curl")]
    (shown,) = blocks(page, "json")
    assert HERE in command
    words = shlex.split(command.replace(HERE, server.url.removeprefix("http://")))
    answer = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    _assert_alike(answer, json.loads(shown))


def _assert_alike(answer: Any, shown: Any) -> None:
    if isinstance(shown, dict):
        assert answer.keys() == shown.keys()
        for name in shown.keys() - MADE_ANEW:
            _assert_alike(answer[name], shown[name])
    elif isinstance(shown, list):
        for one, expected in zip(answer, shown, strict=True):
            _assert_alike(one, expected)
    else:
        assert answer == (pytest.approx(shown, abs=0.02) if isinstance(shown, float) else shown)


def test_the_benchmark_is_that_of_the_samples() -> None:
    """Every figure of the table, in the README and in the documentation, is computed from the raw samples."""
    one, eight = ({rate.server: rate for rate in rates(ROOT / "results", clients)} for clients in (1, 8))
    rows = {
        server: (f"{rate.documents_per_s:.0f}", f"{eight[server].documents_per_s:.0f}", f"{rate.p50_ms:.0f} ms")
        for server, rate in one.items()
    }
    for page, count in ((README, 5), (ROOT / "docs/benchmarks.md", len(rows))):
        table = page.read_text().partition("| | documents/s, 1 client |")[2].partition("\n\n")[0]
        shown = [line.replace("*", "").strip("| ").split(" | ") for line in table.splitlines()[2:]]
        assert len(shown) == count
        for name, *figures in shown:
            server = re.sub(r" \(its default\)| [\d.]+(?=,)|,", "", name)
            assert tuple(figures[:3]) == rows[server], name


def test_models_and_flags_exist() -> None:
    """Names in its tables are the catalogue's and the settings'."""
    text = README.read_text()
    models = re.findall(r"`([\w.-]+)`", text.partition("\n## Models\n")[2].partition("\nThen `")[0])
    assert {name for name in models if "MODEL=" not in name} <= {card.name for card in CARDS}
    flags = re.findall(r"^\| `(--[\w-]+)` \| (.*?) \|", text, re.MULTILINE)
    defaults = {setting.flag: setting.default for setting in settings_list()}
    assert len(flags) == 5
    for flag, default in flags:
        assert default.strip("`") == ("none" if defaults[flag] is None else str(defaults[flag]))


def test_no_sentence_stands_twice() -> None:
    """What the README says, the documentation does not repeat, and no page repeats another."""
    seen: dict[str, Path] = {}
    for page in [README, *pages("docs/*.md")]:
        for sentence in sentences(page):
            if len(sentence.split()) >= 6:
                assert seen.setdefault(sentence, page) == page, f"{page.name} and {seen[sentence].name}: {sentence}"
