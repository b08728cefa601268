"""The project's Markdown files, and the parts of them that tests read."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z`])")


def pages(*patterns: str) -> list[Path]:
    """The Markdown files that git has, or would take, under the given patterns; all of them without any."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *(patterns or ("*.md",))]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [ROOT / name for name in listed if name.endswith(".md") and (ROOT / name).is_file()]
    assert found, f"git lists no page under {patterns}: the test looks in the wrong place"
    return found


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return CODE.sub("", page.read_text())


def blocks(page: Path, *languages: str) -> list[str]:
    """The code blocks of these languages."""
    return [match["text"] for match in BLOCK.finditer(page.read_text()) if match["language"] in languages]


def sentences(page: Path) -> Iterator[str]:
    """The sentences outside of code blocks, tables and headings."""
    for line in prose(page).splitlines():
        if not line.startswith(("|", "#", "<!--", "!")):
            yield from SENTENCE_END.split(line.strip())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip()) for heading in plain}
