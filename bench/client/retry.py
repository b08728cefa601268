"""Decides whether a request is retried, how long to wait before, and when a rate limit allows the next one.

A busy server (429, 503) is retried as often as the caller allows; a broken one (other 5xx, connection errors) only a
few times, since such errors usually last. Client errors (4xx) and timeouts are not retried: the former would fail
again, the latter would increase an overload.
"""

import contextlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

BUSY = (429, 503)
BROKEN_RETRIES = 3
LONGEST_WAIT_S = 60.0


class RateLimiter:
    """Spaces requests evenly, at most `per_minute` per minute."""

    def __init__(self, per_minute: int | None) -> None:
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._next_s = 0.0

    def turn(self, now_s: float) -> float:
        """Take the next free slot; return the seconds until then."""
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + self._gap_s
        return at_s - now_s


def may_help(outcome: int | Exception, attempt: int) -> bool:
    """Tell whether to retry after attempt number `attempt` (from 1) ended with this status or error."""
    if isinstance(outcome, int):
        return outcome in BUSY or (outcome >= 500 and attempt <= BROKEN_RETRIES)
    passing = isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ConnectTimeout)
    return passing and attempt <= BROKEN_RETRIES


def wait_s(headers: Mapping[str, str], attempt: int) -> float:
    """Return the seconds to wait before attempt `attempt + 1`: what the server requests or somewhat longer."""
    return spread_s(asked_s(headers, attempt), attempt)


def asked_s(headers: Mapping[str, str], attempt: int) -> float:
    """Return the seconds that the server requests, at most a minute; 0.5, 1, 2 and so on if it requests none."""
    requested_s = retry_after_s(headers)
    return min(0.5 * 2.0 ** (attempt - 1) if requested_s is None else requested_s, LONGEST_WAIT_S)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds requested in `retry-after-ms` or Retry-After (a number or an HTTP date).

    A time in the past is 0. None if there is no such header, or if it is neither a number from 0 nor a date.
    """
    milliseconds, retry_after = headers.get("retry-after-ms", "").strip(), headers.get("Retry-After", "").strip()
    if _is_number(milliseconds):
        return float(milliseconds) / 1000
    if _is_number(retry_after):
        return float(retry_after)
    with contextlib.suppress(ValueError, TypeError):  # not a date, or one without a zone
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdecimal()


def spread_s(asked_s: float, attempt: int) -> float:
    """Return the seconds to wait when the server requested `asked_s`: longer with each attempt, with random jitter.

    Without jitter, clients that were refused together would return together and be refused again.
    """
    grown_s = min(0.25 * 2.0 ** (attempt - 1), LONGEST_WAIT_S)
    return max(asked_s, grown_s) * random.uniform(1.0, 1.5)
