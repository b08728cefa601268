"""The bench's report under `/bench`: a folder written by `rerank-bench report`, served unchanged.

Its pages have the playground's security headers and, like the playground, need no API key. A new report in the folder
is served at once.
"""

from pathlib import Path

from litestar import Router, get
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from service.api.pages.playground import ALWAYS_ASK_AGAIN, guarded

REPORT = "/bench"
FIRST_PAGE = "index.html"


def report(folder: Path) -> Router:
    """Make the routes of the report in `folder`."""

    @get(REPORT, include_in_schema=False, sync_to_thread=False)
    def first_page() -> Redirect:
        """Redirect to the first page by name: relative links do not work from `/bench` without a trailing slash."""
        return Redirect(f"{REPORT}/{FIRST_PAGE}")

    files = create_static_files_router(
        REPORT, [folder], name="report", cache_control=ALWAYS_ASK_AGAIN, after_request=guarded
    )
    return Router("/", route_handlers=[first_page, files])
