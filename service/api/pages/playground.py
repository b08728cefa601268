"""The playground: one page at `/` where a person tries the server by hand.

Plain files without a build step, which load nothing from another host and are not allowed to: the page's
Content-Security-Policy lets it fetch from this server only, run no inline script and be framed by nobody. Browsers ask
again for the files each time, so that a new server never runs with the old page's script.
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
    """Give the page."""
    index = PAGE / "index.html"
    return File(index, filename=index.name, content_disposition_type="inline", media_type="text/html", headers=HEADERS)


@head("/", include_in_schema=False)
async def page_without_body() -> None:
    """Answer those who probe the root with HEAD."""


async def guarded(response: Response[Any]) -> Response[Any]:
    """The same headers on the files: the page is one of them."""
    response.headers.update(HEADERS)
    return response


def playground() -> Router:
    """Make the routes of the page and of its style sheet, scripts and icon."""
    assets = create_static_files_router(
        ASSETS, [PAGE], name="playground", cache_control=ALWAYS_ASK_AGAIN, after_request=guarded
    )
    return Router("/", route_handlers=[page, page_without_body, assets])
