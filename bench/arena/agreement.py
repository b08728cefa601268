"""The agreement between judges, and their position bias: whether being shown first helps a list.

Pure functions over ballots. Agreement is given as a share and as Cohen's kappa (1960), which corrects for chance.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from bench.arena.matches import MatchKey
from bench.arena.records import Agreement, Ballot, PositionBias
from bench.bootstrap import estimate
from bench.records import Estimate

VERDICTS = ("a", "b", "tie")


def agreement(judge: str, ours: Mapping[MatchKey, str], theirs: Mapping[MatchKey, str]) -> Agreement:
    """Return the agreement of `judge`, whose verdicts are `theirs`, with `ours` on the matches that both judged."""
    both = [(ours[key], theirs[key]) for key in sorted(ours.keys() & theirs.keys())]
    if not both:
        return Agreement(judge, 0, None, None)
    same = sum(x == y for x, y in both) / len(both)
    return Agreement(judge, len(both), round(same, 6), cohens_kappa(both))


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return (observed - expected) / (1 - expected); None if both always give the same single verdict."""
    total = len(pairs)
    observed = sum(x == y for x, y in pairs) / total
    one, other = (Counter(side) for side in zip(*pairs, strict=True))
    expected = sum(one[verdict] * other[verdict] for verdict in VERDICTS) / total**2
    return None if expected == 1.0 else round((observed - expected) / (1.0 - expected), 6)


def combined(verdicts: Sequence[str]) -> str:
    """Return the verdict on a match from those on its presentations: a tie unless they agree."""
    return verdicts[0] if len(set(verdicts)) == 1 else "tie"


def position_bias(by_match: Sequence[Sequence[Ballot]], seed: int) -> PositionBias | None:
    """Return the bias over all presentations; None if all were ties.

    Args:
        by_match: each match's ballots, one per presentation.
        seed: random seed of the bootstrap over queries.
    """
    by_query: dict[tuple[str, str], list[int]] = {}
    for ballot in (ballot for match in by_match for ballot in match):
        if ballot.verdict in ("a", "b"):
            counts = by_query.setdefault((ballot.dataset, ballot.query_id), [0, 0])
            counts[0] += ballot.verdict == ballot.first
            counts[1] += 1
    if not by_query:
        return None
    rows = np.array([by_query[query] for query in sorted(by_query)], dtype=np.float64)
    share = estimate(rows, lambda drawn: drawn[:, :, 0].sum(axis=1) / drawn[:, :, 1].sum(axis=1), seed)
    twice = [match for match in by_match if len(match) == 2]
    return PositionBias(
        first_wins=Estimate(round(share.value, 6), round(share.low, 6), round(share.high, 6)),
        decided=int(rows[:, 1].sum()),
        both_orders=len(twice),
        contradictions=sum({ballot.verdict for ballot in match} == {"a", "b"} for match in twice),
    )
