"""The server under test: reads `--host`, checks before the test that a server answers there, and asks what it is.

Certificates are checked as everywhere in the bench, because the API key is sent to this host; the environment variable
SSL_CERT_FILE names the certificate of a private authority.
"""

import functools
import ssl
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.client.replies import server_info, unreachable
from bench.contestants.catalogue import DIALECTS
from bench.contestants.contestant import LOCAL_KEY_VARIABLE
from bench.errors import BenchError, ServerError

FORM = "give --host http://HOST:PORT or https://HOST"
TIMEOUT_S = 5.0


def base_url(host: str | None, tags: Collection[str] = ()) -> str:
    """Return `--host` as the base URL to which a route is added: without spaces around it or slashes at its end.

    Args:
        host: what the user gave; None or empty if nothing.
        tags: the dialects that are sent; the route of one at the end of the URL is removed.

    Raises:
        BenchError: there is no host, or it is not the base URL of a server.
    """
    url = (host or "").strip()
    if not url:
        raise BenchError(f"there is no server to test: {FORM}")
    if "@" in url:
        raise BenchError(f"--host must not contain a user name or a password; set the key in {LOCAL_KEY_VARIABLE}")
    if not _is_base(url):
        raise BenchError(f"--host {host!r} is not the base URL of a server: {FORM}")
    url = url.rstrip("/")
    for dialect in DIALECTS.values():
        if dialect.name in tags:
            url = url.removesuffix(dialect.route)
    return url.rstrip("/")


def _is_base(url: str) -> bool:
    if any(character in "?#\\" or character.isspace() or not character.isprintable() for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half a bracket
        return False


@functools.cache
def ssl_context(cafile: str | None = None) -> ssl.SSLContext:  # noqa: ARG001  # geventhttpclient names its own file
    """Return the one context that all users share: loading the authorities takes longer than a request."""
    return httpx.create_ssl_context()


def check(url: str, key: str | None) -> None:
    """Raise ServerError if nothing answers at the URL, or if its certificate is not trusted."""
    try:
        _get_info(url, key)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerError(unreachable(url, str(error) or type(error).__name__)) from error
    except (httpx.HTTPError, httpx.InvalidURL):
        return  # it is there, and the test will tell what it answers


@functools.cache
def info(url: str, key: str | None) -> dict[str, Any] | None:
    """Return the server's answer to GET /info; None if it has no such route or cannot be reached from here."""
    try:
        return server_info(_get_info(url, key))
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _get_info(url: str, key: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False, verify=ssl_context()) as client:
        return client.get(f"{url}/info", headers=headers)
