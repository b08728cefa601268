"""Links between the project's own files."""

import re
from pathlib import Path

import pytest

from tests.support.markdown import ROOT, anchors, pages, prose

LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]+))?\)")
CODE = re.compile(r"`[^`]*`")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_holds(page: Path) -> None:
    """The file is there, and the heading in it."""
    for match in LINK.finditer(CODE.sub("``", prose(page))):
        if ":" in match["target"]:
            continue  # an address elsewhere
        target = (page.parent / match["target"]).resolve() if match["target"] else page
        assert target.exists(), match[0]
        if match["anchor"] and target.suffix == ".md":
            assert match["anchor"] in anchors(target), match[0]


def test_every_decision_is_in_the_index() -> None:
    """And in the form that the index promises: four parts, at most 40 lines."""
    index = (ROOT / "docs/decisions/README.md").read_text()
    for page in pages("docs/decisions/0*"):
        text = page.read_text()
        assert f"({page.name})" in index
        title = text.splitlines()[0].removeprefix(f"# {page.name[:4]} ")
        assert f"[{title}]" in index, title
        assert len(text.splitlines()) <= 40, page.name
        for part in ("Context", "Decision", "Evidence", "Consequences"):
            assert f"**{part}" in text, f"{page.name} has no {part}"


PATH = re.compile(r"`((?:service|models|bench|tools|tests|docs|results)/[\w./-]+)`")
TO_BE_WRITTEN = {"service/dialects/acme.py", "bench/contestants/acme.py", "bench/arena/judges/acme.py"}
"""What a reader of docs/extending.md writes."""
IN_THE_HISTORY = {"bench/results", "results/0002-one-pair-per-run"}
"""What the changelog and old decisions name as of their time."""


@pytest.mark.parametrize("page", pages("README.md", "CONTRIBUTING.md", "docs/*.md"), ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    """A page that names a file of this tree names one that is there."""
    for path in PATH.findall(page.read_text()):
        if path not in TO_BE_WRITTEN | IN_THE_HISTORY and not path.endswith("acme_sort.json"):
            assert (ROOT / path).exists(), path
