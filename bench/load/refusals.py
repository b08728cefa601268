"""Logs the waits that a busy server asks for, which the users of a load test do not keep."""

from collections.abc import Callable, Mapping
from time import perf_counter

from bench.client.retry import BUSY, retry_after_s
from bench.client.waits import FAR_S, in_words

EVERY_S = 30.0
"""At most one line in this time, however many requests are refused."""


class RefusalLog:
    """The log of one process."""

    def __init__(self, show: Callable[[str], object], now_s: Callable[[], float] = perf_counter) -> None:
        self._show = show
        self._now_s = now_s
        self._shown_s = -float("inf")

    def note(self, status: int, headers: Mapping[str, str]) -> None:
        """Log a refusal that asks for a long wait, unless one was logged a moment ago."""
        asked_s = retry_after_s(headers) if status in BUSY else None
        if asked_s is None or asked_s < FAR_S or self._now_s() < self._shown_s + EVERY_S:
            return
        self._shown_s = self._now_s()
        self._show(
            f"the server refuses requests (status {status}) and asks to wait {in_words(asked_s)}; the users of a load "
            "test do not wait, so every refusal is a failed request"
        )
