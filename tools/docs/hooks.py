"""An MkDocs hook for links from `docs/` to other files of the repository.

Such a link works when browsing the repository but has no page on the site. Its target must exist, or
`mkdocs build --strict` fails. On the site the link becomes a link into the repository (`repo_url` in `mkdocs.yml`) or,
without a `repo_url`, the path as text.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

log = logging.getLogger("mkdocs.hooks.links")

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001  # MkDocs' names
    """Rewrite the links of a page that lead out of the documentation folder."""
    docs = Path(config.docs_dir)

    def rewrite(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(docs / Path(page.file.src_uri).parent / match["target"]))
        if target.is_relative_to(docs):
            return match[0]  # MkDocs checks these
        if not target.exists():
            log.warning("%s links to %s, which does not exist", page.file.src_uri, match["target"])
        path = target.relative_to(docs.parent).as_posix()
        if config.repo_url:
            return f"[{match['text']}]({config.repo_url.rstrip('/')}/blob/main/{path})"
        return match["text"] if match["text"].strip("`") == path else f"{match['text']} (`{path}`)"

    return LINK.sub(rewrite, markdown)
