"""The arena's text tables: ratings with intervals, wins and losses, the pairwise matrix, and notes on reliability.

Formats a record and computes nothing. Groups of contestants that never met on the same queries have a table each.
Published figures have a column of their own, with their label, if a contestant of the table has one.
"""

from collections.abc import Iterator

from bench.arena.records import ArenaRecord, PairTally, Standings
from bench.published.published import PublishedRecord
from bench.published.table import published_figure, unmatched_sentence
from bench.tables import ABSENT, cell, text_table
from bench.wording import counted

TIE_HALF_HEAD = "win rate, tie = 1/2 [95 %]"


def arena_table(record: ArenaRecord, published: PublishedRecord | None = None) -> str:
    """Format a whole record: overall, by dataset, matrix, judge."""
    blocks = [
        _judge_lines(record),
        _dataset_lines(record),
        *_blocks("overall", record.overall, published, with_matrix=True),
    ]
    if len(record.by_dataset) > 1:
        for name, of_dataset in record.by_dataset.items():
            blocks += _blocks(name, of_dataset, None, with_matrix=False)
    return "\n".join(line for block in [*blocks, _belief_lines(record)] for line in block)


def _judge_lines(record: ArenaRecord) -> list[str]:
    pairings = record.pairings
    left_out = [
        f"{count} {why}"
        for count, why in (
            (pairings.skipped, "skipped"),
            (pairings.failed, "with an unreadable answer"),
            (pairings.pending, "not judged yet"),
        )
        if count
    ]
    return [
        f"judge: {record.judge.name}: {record.judge.rule}",
        f"matches: {pairings.rule}; {pairings.drawn} of {pairings.possible} drawn, {pairings.judged} judged "
        f"({pairings.by_rule} of them by rule: a failed query loses; two failed queries or identical lists tie)",
        *([f"  left out: {', '.join(left_out)}"] if left_out else []),
        *(f"  {counted(count, 'time')}: {why}" for why, count in _most(record.errors)),
        *(f"  left out: {why}" for why in record.left_out),
    ]


def _dataset_lines(record: ArenaRecord) -> list[str]:
    """Format the doubts about each dataset, and its labels if the judge uses them."""
    lines = []
    for name, note in record.datasets.items():
        if record.judge.kind == "qrels" and note.labels and not note.human_labels:
            lines.append(f"  labels of {name}: {note.labels} (NOT human)")
        lines += [f"  note: {name}: {doubt}" for doubt in note.doubts]
    return lines


def _blocks(
    title: str, whole: Standings, published: PublishedRecord | None, *, with_matrix: bool
) -> Iterator[list[str]]:
    """Format one table, or one per group after a sentence that says why there are several."""
    if whole.apart:
        yield [f"{title}: {apart_sentence(len(whole.apart))}"]
    for number, table in enumerate(whole.tables, start=1):
        name = f"group {number}, rated on {', '.join(table.datasets)}" if whole.apart else title
        yield _standings_lines(name, table, published)
        if with_matrix:
            yield _matrix_lines(table)


def apart_sentence(groups: int) -> str:
    """Return why there are several tables."""
    return (
        f"these contestants did not all meet on the same queries, so they are rated in {groups} groups; "
        "a rating can be compared only with those of its own group"
    )


def _standings_lines(title: str, standings: Standings, published: PublishedRecord | None) -> list[str]:
    head = ["", "contestant", "rating [95 %]", "wins", "losses", "ties", TIE_HALF_HEAD, "sequential Elo"]
    rows = [
        [
            str(rank),
            of.contestant,
            cell(of.rating, 0),
            str(of.wins),
            str(of.losses),
            str(of.ties),
            cell(of.win_rate_tie_half, 3),
            f"{of.sequential_elo:.0f}",
        ]
        for rank, of in enumerate(standings.standings, start=1)
    ]
    notes = _notes(standings)
    if published:
        notes += _add_published_elo(published, head, rows)
    return [
        f"{title}: {counted(standings.matches, 'match')} over {counted(standings.queries, 'query')}; Bradley-Terry "
        f"on the Elo scale, mean "
        "1500; sequential Elo (K=32) depends on the matches' order",
        *text_table([head, *rows]),
        *notes,
    ]


def _add_published_elo(published: PublishedRecord, head: list[str], rows: list[list[str]]) -> list[str]:
    """Add the column if one of the contestants has a published Elo; return the notes on it."""
    figures = [published_figure(published, row[1], "elo") for row in rows]
    if all(figure is None for figure in figures):
        why = unmatched_sentence(published, [row[1] for row in rows], ["elo"])
        return [f"  published Elo: none, because {why}"] if why else []
    head.append("published Elo")
    for row, figure in zip(rows, figures, strict=True):
        row.append(ABSENT if figure is None else f"{figure.value:.0f}")
    shown = {figure.source.source: figure.source for figure in figures if figure is not None}
    return [f"  published Elo: {source.label} ({source.source}, {source.date})" for source in shown.values()]


def _notes(standings: Standings) -> list[str]:
    notes = []
    if standings.prior_pairs:
        notes.append(
            f"  note: {counted(standings.prior_pairs, 'pair')} without a finite rating difference (one side won every "
            "match), so each side was given half a win"
        )
    return notes


def _matrix_lines(standings: Standings) -> list[str]:
    names = [of.contestant for of in standings.standings]
    cells = {(pair.a, pair.b): pair for pair in standings.pairs}
    rows = [[name, *(_cell(cells, name, other) for other in names)] for name in names]
    return ["row versus column: wins-losses-ties", *text_table([["", *names], *rows])]


def _cell(cells: dict[tuple[str, str], PairTally], row: str, column: str) -> str:
    if (row, column) in cells:
        pair = cells[row, column]
        return f"{pair.wins_a}-{pair.wins_b}-{pair.ties}"
    if (column, row) in cells:
        pair = cells[column, row]
        return f"{pair.wins_b}-{pair.wins_a}-{pair.ties}"
    return ABSENT


def _belief_lines(record: ArenaRecord) -> list[str]:
    lines = []
    bias = record.position_bias
    if bias:
        lines.append(
            f"position bias: the list shown first won {cell(bias.first_wins, 3)} of "
            f"{counted(bias.decided, 'decided presentation')} (no bias: .5); {bias.contradictions} of "
            f"{counted(bias.both_orders, 'match')} shown in both orders "
            f"had contradictory verdicts"
        )
    for of in record.agreement:
        same = (
            "no common match" if of.same is None else f"same verdict on {of.same:.3f} of {counted(of.matches, 'match')}"
        )
        kappa = ABSENT if of.kappa is None else f"{of.kappa:.3f}"
        lines.append(f"agreement with {of.judge}: {same}, Cohen's kappa {kappa}")
    if record.judge.kind == "llm":
        cost = record.cost
        lines.append(
            f"cost: {counted(cost.calls, 'call')}, {counted(cost.prompt_tokens, 'token')} in, "
            f"{cost.completion_tokens} out, ${cost.usd:.4f}"
        )
    return lines


def _most(errors: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(errors.items(), key=lambda entry: (-entry[1], entry[0]))[:3]
