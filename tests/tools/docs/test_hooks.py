"""Links that lead out of the documentation's folder, on the site."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.docs.hooks import on_page_markdown


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "bench").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    return tmp_path


def rewritten(repository: Path, markdown: str, repo_url: str | None = None) -> str:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="bench/load.md"))
    config = SimpleNamespace(docs_dir=str(repository / "docs"), repo_url=repo_url)
    return on_page_markdown(markdown, page=page, config=config, files=None)


def test_a_link_out_of_the_folder_becomes_words(repository: Path) -> None:
    """The site has no page for it."""
    assert rewritten(repository, "see [samples](../../results).") == "see samples (`results`)."


def test_a_link_out_of_the_folder_leads_into_the_repository_where_its_address_is_known(repository: Path) -> None:
    """`repo_url` of mkdocs.yml."""
    expected = "[samples](https://example.org/x/blob/main/results)"
    assert rewritten(repository, "[samples](../../results)", "https://example.org/x/") == expected


def test_links_inside_the_folder_are_left_to_mkdocs(repository: Path) -> None:
    """It checks them itself, and so are images and addresses."""
    markdown = "[a](latency.md#x) [b](https://example.org) [c](#here) ![d](../../results)"
    assert rewritten(repository, markdown) == markdown


def test_a_link_to_nothing_is_a_warning(repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which `mkdocs build --strict` makes an error."""
    with caplog.at_level(logging.WARNING, "mkdocs"):
        rewritten(repository, "[gone](../../gone)")
    assert "bench/load.md links to ../../gone, which does not exist" in caplog.text
