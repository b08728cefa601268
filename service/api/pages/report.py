"""The bench's report under `/bench`: a folder that `rerank-bench report` wrote, served as it is.

Its pages are guarded as the playground is: files of this server only, nothing inline, framed by nobody. Like the
playground it asks for no API key. A report that is written anew is served at once.
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
        """Lead to the first page by its name: from `/bench` without a slash its links would lead astray."""
        return Redirect(f"{REPORT}/{FIRST_PAGE}")

    files = create_static_files_router(
        REPORT, [folder], name="report", cache_control=ALWAYS_ASK_AGAIN, after_request=guarded
    )
    return Router("/", route_handlers=[first_page, files])
