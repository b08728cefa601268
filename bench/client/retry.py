"""Decides whether a request is retried, how long to wait before, and when a rate limit allows the next one.

A busy server (429, 503) is retried as often as the caller allows; a broken one (other 5xx, connection errors) only a
few times, since such errors usually last. Client errors (4xx) and timeouts are not retried: the former would fail
again, the latter would increase an overload.
"""

import asyncio
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

    async def turn(self, now_s: float) -> None:
        """Wait for the next free slot and take it."""
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + self._gap_s
        if at_s > now_s:
            await asyncio.sleep(at_s - now_s)


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
    """Return the seconds requested in `retry-after-ms` or Retry-After (a number or an HTTP date), at most a minute.

    Without such a header they are 0.5, 1, 2 and so on.
    """
    wait_s = 0.5 * 2.0 ** (attempt - 1)
    milliseconds, retry_after = headers.get("retry-after-ms", ""), headers.get("Retry-After", "").strip()
    if milliseconds.isdecimal():
        wait_s = int(milliseconds) / 1000
    elif retry_after.replace(".", "", 1).isdecimal():
        wait_s = float(retry_after)
    elif retry_after:
        with contextlib.suppress(ValueError, TypeError):  # not a date, or one without a zone
            wait_s = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)


def spread_s(asked_s: float, attempt: int) -> float:
    """Return the seconds to wait when the server requested `asked_s`: longer with each attempt, with random jitter.

    Without jitter, clients that were refused together would return together and be refused again.
    """
    grown_s = min(0.25 * 2.0 ** (attempt - 1), LONGEST_WAIT_S)
    return max(asked_s, grown_s) * random.uniform(1.0, 1.5)
