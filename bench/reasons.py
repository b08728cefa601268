"""Why requests failed, in few lines: the most frequent kinds of reason, each with how often it was."""

import re
from collections.abc import Sequence

MOST = 3
NUMBER = re.compile(r"\d+")


def reasons(errors: Sequence[str]) -> list[str]:
    """The three most frequent kinds of reason; texts that differ in their numbers only are of one kind."""
    kinds: dict[str, list[str]] = {}
    for error in sorted(errors):
        status, _, text = error.partition(": ")
        kinds.setdefault(f"{status}: {NUMBER.sub('#', text)}", []).append(error)
    worst = sorted(kinds.values(), key=len, reverse=True)
    return [f"{len(same)} times: {same[0]}" for same in worst[:MOST]]
