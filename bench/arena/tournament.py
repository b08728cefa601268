"""The tournament: matches through a judge into the ledger, and the ledger's ballots into a record.

`hold` is the only step that may cost time or money; `record` reads what is on file, so that it can be made again at
any time and is the same whether the judging was interrupted or not. A match counts when all of its looks have a
verdict; what is left out is counted, with its reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.arena.agreement import agreement, combined, position_bias
from bench.arena.entrants import Arena
from bench.arena.judges.judge import Judge
from bench.arena.ledger import Ledger
from bench.arena.matches import Key, Match, draw
from bench.arena.records import ArenaRecord, Ballot, Cost, Pairings, Side
from bench.arena.standings import Outcome, standings
from bench.bootstrap import RESAMPLES
from bench.errors import DataError
from bench.records import Provenance


@dataclass
class Tally:
    """What the ballots say of the matches."""

    outcomes: list[Outcome] = field(default_factory=list)
    judged: dict[Key, str] = field(default_factory=dict)
    """Verdicts that the judge gave; those of rules are not among them."""
    looks: list[list[Ballot]] = field(default_factory=list)
    """Of the judged matches."""
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    cost: Cost = field(default_factory=lambda: Cost(0, 0, 0, 0.0))


def hold(judge: Judge, matches: Sequence[Match], ledger: Ledger) -> None:
    """Have every match judged that needs a judge and has no verdict yet."""
    judge.judge([match for match in matches if match.by_rule(judge.top) is None], ledger)


def tally(judge: Judge, matches: Sequence[Match], ledger: Ledger) -> Tally:
    """Read the verdicts of the matches from the ledger."""
    found = Tally()
    for match in matches:
        ruled = match.by_rule(judge.top)
        if ruled is not None:
            found.counts["by rule"] += 1
            found.outcomes.append(Outcome(match.key, ruled))
            continue
        wanted = [ledger.get((*match.key, first, shown)) for first, shown in judge.looks(match)]
        _add(found, match, [ballot for ballot in wanted if ballot], len(wanted))
    return found


def _add(found: Tally, match: Match, ballots: list[Ballot], wanted: int) -> None:
    cost = found.cost
    found.cost = Cost(
        cost.calls + sum(ballot.calls for ballot in ballots),
        cost.prompt_tokens + sum(ballot.prompt_tokens for ballot in ballots),
        cost.completion_tokens + sum(ballot.completion_tokens for ballot in ballots),
        round(cost.usd + sum(ballot.cost_usd for ballot in ballots), 9),
    )
    failed = [ballot for ballot in ballots if ballot.verdict is None and not ballot.unfinished]
    found.errors.update(ballot.error or "no reason given" for ballot in failed)
    left_out = _left_out(ballots, wanted)
    if left_out:
        found.counts[left_out] += 1
    else:
        verdict = combined([str(ballot.verdict) for ballot in ballots])
        found.outcomes.append(Outcome(match.key, verdict))
        found.judged[match.key] = verdict
        found.looks.append(ballots)


def _left_out(ballots: Sequence[Ballot], wanted: int) -> str | None:
    """Why so many looks of the wanted ones make no verdict; None where they make one."""
    if len(ballots) < wanted or any(ballot.unfinished for ballot in ballots):
        return "pending"
    seen = [ballot.verdict for ballot in ballots]
    if None in seen:
        return "failed"
    return "skipped" if "skip" in seen else None


def record(
    provenance: Provenance,
    judge: Judge,
    arenas: Mapping[str, Arena],
    matches: Sequence[Match],
    possible: int,
    found: Tally,
    others: Mapping[str, Sequence[Ballot]],
    seed: int,
) -> ArenaRecord:
    """The record of what was found.

    Args:
        provenance: of this record.
        judge: who judged.
        arenas: the field.
        matches: the drawn ones.
        possible: how many could have been drawn.
        found: their verdicts.
        others: ballots of other judges by name, for the agreement.
        seed: of draw and bootstrap.
    """
    if not found.outcomes:
        raise DataError(f"none of {len(matches)} matches has a verdict yet, so there is nothing to rate")
    # Sequential Elo weighs late matches most: a random order, so that no dataset or pair is late as a whole.
    outcomes = sorted(found.outcomes, key=lambda outcome: draw(seed, outcome.key))
    datasets = sorted({outcome.key[0] for outcome in outcomes})
    rankings = {match.key: match.rankings for match in matches}
    return ArenaRecord(
        provenance=provenance,
        judge=judge.note,
        seed=seed,
        resamples=RESAMPLES,
        datasets={name: arena.dataset.note() for name, arena in arenas.items()},
        candidates={name: arena.candidates_sha256 for name, arena in arenas.items()},
        pairings=_pairings(matches, possible, found),
        overall=standings(outcomes, seed),
        by_dataset={
            name: standings([outcome for outcome in outcomes if outcome.key[0] == name], seed) for name in datasets
        },
        position_bias=None if judge.note.kind == "qrels" else position_bias(found.looks, seed),
        agreement=[
            agreement(name, found.judged, verdicts(ballots, rankings)) for name, ballots in sorted(others.items())
        ],
        cost=found.cost,
        errors=dict(sorted(found.errors.items())),
    )


def _pairings(matches: Sequence[Match], possible: int, found: Tally) -> Pairings:
    drawn = "all" if len(matches) == possible else "a seeded sample that takes from every pair and dataset in turn"
    return Pairings(
        rule=f"all pairs of contestants over every query that both were asked: {drawn}",
        possible=possible,
        drawn=len(matches),
        judged=len(found.outcomes),
        by_rule=found.counts["by rule"],
        skipped=found.counts["skipped"],
        failed=found.counts["failed"],
        pending=found.counts["pending"],
    )


def verdicts(ballots: Sequence[Ballot], rankings: Mapping[Key, str]) -> dict[Key, str]:
    """Another judge's verdicts where the rankings are still the same, made from its looks by the tally's rule.

    Looks at another sheet, as with another `--top`, make a verdict of their own; of several the later one counts.
    """
    by_sheet: dict[tuple[Key, str], dict[Side, Ballot]] = {}
    for ballot in ballots:
        key = (ballot.dataset, ballot.query_id, ballot.a, ballot.b)
        if rankings.get(key) == ballot.rankings:
            by_sheet.setdefault((key, ballot.sheet), {})[ballot.first] = ballot
    return {
        key: combined([str(ballot.verdict) for ballot in looks.values()])
        for (key, sheet), looks in by_sheet.items()
        if _left_out(list(looks.values()), 2 if sheet else 1) is None
    }
