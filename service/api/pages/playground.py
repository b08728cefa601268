"""The playground: a page at `/` for trying the server by hand.

It consists of plain files without a build step and loads nothing from other hosts: its Content-Security-Policy allows
only requests to this server, no inline scripts and no framing. Browsers revalidate the files on every visit, so that a
new server never runs with the old page's script.
"""

from pathlib import Path
from typing import Any

from litestar import Response, Router, get, head
from litestar.datastructures import CacheControlHeader
from litestar.response import File
from litestar.static_files import create_static_files_router

PAGE = Path(__file__).parent / "static" / "playground"
ASSETS = "/playground"
ALWAYS_ASK_AGAIN = CacheControlHeader(no_cache=True)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@get("/", include_in_schema=False, cache_control=ALWAYS_ASK_AGAIN, sync_to_thread=False)
def page() -> File:
    """Serve the page."""
    index = PAGE / "index.html"
    return File(index, filename=index.name, content_disposition_type="inline", media_type="text/html", headers=HEADERS)


@head("/", include_in_schema=False)
async def page_without_body() -> None:
    """Answer clients that probe the root with HEAD."""


async def guarded(response: Response[Any]) -> Response[Any]:
    """Add the page's security headers to its files, since the page is one of them."""
    response.headers.update(HEADERS)
    return response


def playground() -> Router:
    """Make the routes of the page, its style sheet, scripts and icon."""
    assets = create_static_files_router(
        ASSETS, [PAGE], name="playground", cache_control=ALWAYS_ASK_AGAIN, after_request=guarded
    )
    return Router("/", route_handlers=[page, page_without_body, assets])
