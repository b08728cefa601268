"""Summarises why requests failed: the most frequent kinds of error with their counts."""

import re
from collections.abc import Sequence

from bench.wording import counted

MOST = 3
NUMBER = re.compile(r"\d+")


def reasons(errors: Sequence[str]) -> list[str]:
    """Return the three most frequent kinds of error; messages that differ only in numbers are of one kind."""
    kinds: dict[str, list[str]] = {}
    for error in sorted(errors):
        status, _, text = error.partition(": ")
        kinds.setdefault(f"{status}: {NUMBER.sub('#', text)}", []).append(error)
    worst = sorted(kinds.values(), key=len, reverse=True)
    return [f"{counted(len(same), 'time')}: {same[0]}" for same in worst[:MOST]]
