"""The generated parts of the documentation."""

from pathlib import Path

import pytest

from tools.docs.generate import ROOT, generated, with_table


@pytest.mark.parametrize(("path", "text"), generated().items(), ids=lambda value: getattr(value, "name", ""))
def test_what_is_committed_is_what_the_code_gives(path: Path, text: str) -> None:
    """`python -m tools.docs.generate` writes it anew."""
    assert path.read_text() == text, f"{path.relative_to(ROOT)} is stale: run python -m tools.docs.generate"


def test_only_what_is_between_the_comments_changes() -> None:
    """The text around a table is written by hand."""
    page = "before\n<!-- generated: x -->\nold\n<!-- end of x -->\nafter\n"
    assert with_table(page, "x", "new\n") == "before\n<!-- generated: x -->\n\nnew\n\n<!-- end of x -->\nafter\n"


def test_a_page_without_the_comments_is_refused() -> None:
    """A table that nobody finds would be a table that nobody renews."""
    with pytest.raises(ValueError, match="generated: x"):
        with_table("no comments\n", "x", "new\n")
