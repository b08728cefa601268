"""The tournament: has matches judged, writes the ballots to the ledger, and makes a record of them.

Only `play` may cost time or money; `record` reads the ledger, so that it can be repeated at any time and interruptions
of the judging do not affect it. A match counts when all of its presentations have a verdict; matches left out are
counted by reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.arena.agreement import agreement, combined, position_bias
from bench.arena.entrants import Entrants
from bench.arena.groups import Names, QueryKey, contestants_by_query, rating_groups
from bench.arena.judges.judge import Judge
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, MatchKey, draw
from bench.arena.records import ArenaRecord, Ballot, Cost, Pairings, Side, Standings
from bench.arena.standings import Outcome, standings, standings_apart
from bench.bootstrap import RESAMPLES
from bench.errors import DataError
from bench.records import Provenance
from bench.wording import counted


@dataclass
class Tally:
    """The verdicts on the matches, read from the ballots."""

    outcomes: list[Outcome] = field(default_factory=list)
    judged: dict[MatchKey, str] = field(default_factory=dict)
    """Verdicts of the judge, without those decided by rule."""
    ballots: list[list[Ballot]] = field(default_factory=list)
    """Ballots of each judged match, one per presentation."""
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    cost: Cost = field(default_factory=lambda: Cost(0, 0, 0, 0.0))


def play(judge: Judge, matches: Sequence[Match], ledger: BallotLedger) -> None:
    """Judge every match that needs a judge and has no verdict yet."""
    judge.judge([match for match in matches if match.by_rule(judge.top) is None], ledger)


def tally(judge: Judge, matches: Sequence[Match], ledger: BallotLedger) -> Tally:
    """Read the verdicts of the matches from the ledger."""
    tallied = Tally()
    for match in matches:
        ruled = match.by_rule(judge.top)
        if ruled is not None:
            tallied.counts["by rule"] += 1
            tallied.outcomes.append(Outcome(match.key, ruled))
            continue
        ballots = [ledger.get(presentation.key) for presentation in judge.presentations(match)]
        _add(tallied, match, [ballot for ballot in ballots if ballot], len(ballots))
    return tallied


def _add(tallied: Tally, match: Match, ballots: list[Ballot], wanted: int) -> None:
    cost = tallied.cost
    tallied.cost = Cost(
        cost.calls + sum(ballot.calls for ballot in ballots),
        cost.prompt_tokens + sum(ballot.prompt_tokens for ballot in ballots),
        cost.completion_tokens + sum(ballot.completion_tokens for ballot in ballots),
        round(cost.usd + sum(ballot.cost_usd for ballot in ballots), 9),
    )
    failed = [ballot for ballot in ballots if ballot.verdict is None and not ballot.unfinished]
    tallied.errors.update(ballot.error or "no reason given" for ballot in failed)
    left_out = _left_out(ballots, wanted)
    if left_out:
        tallied.counts[left_out] += 1
    else:
        verdict = combined([str(ballot.verdict) for ballot in ballots])
        tallied.outcomes.append(Outcome(match.key, verdict))
        tallied.judged[match.key] = verdict
        tallied.ballots.append(ballots)


def _left_out(ballots: Sequence[Ballot], wanted: int) -> str | None:
    """Return why these ballots, of `wanted` ones, give no verdict; None if they give one."""
    if len(ballots) < wanted or any(ballot.unfinished for ballot in ballots):
        return "pending"
    given = [ballot.verdict for ballot in ballots]
    if None in given:
        return "failed"
    return "skipped" if "skip" in given else None


def record(
    provenance: Provenance,
    judge: Judge,
    entrants: Mapping[str, Entrants],
    matches: Sequence[Match],
    possible: int,
    tallied: Tally,
    others: Mapping[str, Sequence[Ballot]],
    seed: int,
    left_out: Sequence[str] = (),
) -> ArenaRecord:
    """Make the record of the tallied verdicts.

    Args:
        provenance: the provenance of this record.
        judge: the judge.
        entrants: the entrants by dataset.
        matches: the matches that were drawn.
        possible: the number of possible matches.
        tallied: the verdicts on the matches.
        others: ballots of other judges by name, for the agreement.
        seed: random seed of the sample and the bootstrap.
        left_out: files and datasets that could not be used, one sentence each.
    """
    if not matches:
        raise DataError(
            "no two contestants were given the same query, so there is nothing to rate: run them on one set"
        )
    if not tallied.outcomes:
        raise DataError(f"no verdict on any of {counted(len(matches), 'match')} yet, so there is nothing to rate")
    # Sequential Elo weighs late matches most: a random order, so that no dataset or pair is late as a whole.
    outcomes = sorted(tallied.outcomes, key=lambda outcome: draw(seed, outcome.key))
    datasets = sorted({outcome.key[0] for outcome in outcomes})
    rankings = {match.key: match.rankings for match in matches}
    given = contestants_by_query(entrants)
    return ArenaRecord(
        provenance=provenance,
        judge=judge.note,
        seed=seed,
        resamples=RESAMPLES,
        datasets={name: of_dataset.dataset.note() for name, of_dataset in entrants.items()},
        candidates={name: of_dataset.candidates_sha256 for name, of_dataset in entrants.items()},
        pairings=_pairings(matches, possible, tallied),
        overall=_standings(outcomes, given, seed),
        by_dataset={
            name: _standings([outcome for outcome in outcomes if outcome.key[0] == name], given, seed)
            for name in datasets
        },
        position_bias=None if judge.note.kind == "qrels" else position_bias(tallied.ballots, seed),
        agreement=[
            agreement(name, tallied.judged, verdicts(ballots, rankings)) for name, ballots in sorted(others.items())
        ],
        cost=tallied.cost,
        errors=dict(sorted(tallied.errors.items())),
        left_out=list(left_out),
    )


def _standings(outcomes: Sequence[Outcome], given: Mapping[QueryKey, Names], seed: int) -> Standings:
    """Rate the contestants on one scale if they met on the same queries, otherwise each group on its own."""
    tables = [standings(group.outcomes, seed) for group in rating_groups(outcomes, given)]
    return tables[0] if len(tables) == 1 else standings_apart(outcomes, tables)


def _pairings(matches: Sequence[Match], possible: int, tallied: Tally) -> Pairings:
    drawn = "all" if len(matches) == possible else "a seeded sample that takes from every pair and dataset in turn"
    return Pairings(
        rule=f"all pairs of contestants over every query that both were asked: {drawn}",
        possible=possible,
        drawn=len(matches),
        judged=len(tallied.outcomes),
        by_rule=tallied.counts["by rule"],
        skipped=tallied.counts["skipped"],
        failed=tallied.counts["failed"],
        pending=tallied.counts["pending"],
    )


def verdicts(ballots: Sequence[Ballot], rankings: Mapping[MatchKey, str]) -> dict[MatchKey, str]:
    """Return another judge's verdicts on unchanged rankings, combined from its ballots as in `tally`.

    Ballots on a different sheet, such as with another `--top`, give a separate verdict; the latest one counts.
    """
    by_sheet: dict[tuple[MatchKey, str], dict[Side, Ballot]] = {}
    for ballot in ballots:
        key = (ballot.dataset, ballot.query_id, ballot.a, ballot.b)
        if rankings.get(key) == ballot.rankings:
            by_sheet.setdefault((key, ballot.sheet), {})[ballot.first] = ballot
    return {
        key: combined([str(ballot.verdict) for ballot in by_side.values()])
        for (key, sheet), by_side in by_sheet.items()
        if _left_out(list(by_side.values()), 2 if sheet else 1) is None
    }
