"""Rating groups: which contestants share a scale, because they met on the same queries.

A rating says how a contestant did against others on the queries that it was given. Two contestants that were given
different queries have no common measure, even if both met a third: on easy queries a contestant wins more than on hard
ones. So contestants share a table only if they met on one query set. A query set is all queries that were given to the
same contestants, each with one list of candidates (`entrants.py` refuses others); within it, contestants met if a chain
of matches connects them, so that a sample of the matches is enough. Smaller sets count in every table that has all of
their contestants: one that lacks a dataset of the others still stands beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.arena.entrants import Entrants
from bench.arena.standings import Outcome

QueryKey = tuple[str, str]
"""Dataset and query id."""
Names = frozenset[str]


class RatingGroup(NamedTuple):
    """Contestants that are rated on one scale, and the matches that rate them, in their given order."""

    contestants: Names
    outcomes: list[Outcome]


def contestants_by_query(entrants: Mapping[str, Entrants]) -> dict[QueryKey, Names]:
    """Return who was given each query, failed queries included."""
    given: dict[QueryKey, set[str]] = {}
    for dataset, of_dataset in entrants.items():
        for name, run in of_dataset.runs.items():
            for query_id in run.rankings:
                given.setdefault((dataset, query_id), set()).add(name)
    return {query: frozenset(names) for query, names in given.items()}


def rating_groups(outcomes: Sequence[Outcome], given: Mapping[QueryKey, Names]) -> list[RatingGroup]:
    """Return the groups, the one with the most contestants first; a contestant may be in several.

    Args:
        outcomes: the matches that were decided.
        given: the contestants that were given each query of these matches.
    """
    by_set: dict[Names, list[Outcome]] = {}
    for outcome in outcomes:
        by_set.setdefault(given[outcome.key[:2]], []).append(outcome)
    met = {names: _connected(outcome.key[2:] for outcome in of_set) for names, of_set in by_set.items()}
    every = {component for of_set in met.values() for component in of_set.values()}
    largest = [names for names in every if not any(names < other for other in every)]
    groups = [
        RatingGroup(
            names,
            [outcome for outcome in outcomes if met[given[outcome.key[:2]]][outcome.key[2]] <= names],
        )
        for names in largest
    ]
    return sorted(groups, key=lambda group: (-len(group.contestants), -len(group.outcomes), sorted(group.contestants)))


def _connected(pairs: Iterable[tuple[str, str]]) -> dict[str, Names]:
    """Return for every name all names that a chain of pairs connects with it, itself included."""
    component: dict[str, set[str]] = {}
    for a, b in pairs:
        one, other = component.setdefault(a, {a}), component.setdefault(b, {b})
        if one is not other:
            one |= other
            component |= dict.fromkeys(other, one)
    return {name: frozenset(names) for name, names in component.items()}
