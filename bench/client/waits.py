"""Announces waits before another attempt, so that a wait of a minute does not look like a hang.

Requests that are sent at the same time are refused together: one line stands for all of them until the time that it
names is over.
"""

import sys
from collections.abc import Callable, Mapping
from time import perf_counter

from tqdm import tqdm

from bench.client.retry import retry_after_s

FAR_S = 5.0
"""Shorter waits are not announced."""
DAY_S = 86_400.0


def _show(sentence: str) -> None:
    tqdm.write(sentence, file=sys.stderr)  # above a progress bar, if there is one


class WaitAnnouncer:
    """Announces the waits for one server."""

    def __init__(
        self, whom: str, show: Callable[[str], None] = _show, now_s: Callable[[], float] = perf_counter
    ) -> None:
        """`whom` names the server in the sentences; `show` gets each sentence, on stderr by default."""
        self._whom = whom
        self._show = show
        self._now_s = now_s
        self._announced_until_s = -float("inf")

    def before_attempt(self, wait_s: float, refusal: str, headers: Mapping[str, str], attempt: int, most: int) -> None:
        """Announce the wait before attempt number `attempt` of at most `most`; `refusal` is how the last one ended."""
        asked_s = retry_after_s(headers)
        asked = "" if asked_s is None else f" and asks to wait {in_words(asked_s)}"
        self._announce(wait_s, f"{self._whom}: {refusal}{asked}", f"attempt {attempt} of at most {most}")

    def before_turn(self, wait_s: float, per_minute: int | None) -> None:
        """Announce the wait that the contestant's own rate limit needs."""
        self._announce(wait_s, f"{self._whom}: limited to {per_minute} a minute", "the next request")

    def _announce(self, wait_s: float, why: str, what: str) -> None:
        now_s = self._now_s()
        if wait_s >= FAR_S and now_s + wait_s >= self._announced_until_s + FAR_S:
            self._announced_until_s = now_s + wait_s
            self._show(f"{why}; {what} follows in {wait_s:.0f} s")


def in_words(seconds: float) -> str:
    """Format a wait, however long a server asks for."""
    return "more than a day" if seconds > DAY_S else f"{seconds:.0f} s"
