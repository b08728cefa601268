"""The plain tables that the command lines print: figures beside their intervals, never a bare figure.

Reads records and makes text; computes nothing. What could not be measured is printed as a dash, and every oddity a
reader must know of (failed queries, judged passages outside the corpus, filled-up requests) has its line.
"""

from collections.abc import Mapping, Sequence

from bench.accuracy.paired import Paired
from bench.contestants.reference import BM25
from bench.reasons import reasons
from bench.records import AccuracyRecord, CandidatesNote, DatasetNote, Estimate, Provenance

ABSENT = "-"


def accuracy_table(records: Sequence[AccuracyRecord]) -> str:
    """The measures of all contestants on one dataset, best nDCG@10 first; the candidates' own order among them.

    The records are of the same queries of the same dataset with the same candidates.
    """
    first = records[0]
    names = list(first.measures)
    best_first = sorted(records, key=lambda record: -record.measures["nDCG@10"].value)
    rows = [("", [*names, "tokens/1000 queries", "$/1000 queries"])]
    rows += [(record.contestant.name, [*_measure_cells(record.measures), *_spent(record)]) for record in best_first]
    if not any(record.contestant.dialect == BM25 for record in records):
        head = "BM25" if "bm25" in first.candidates.source.lower() else "first stage"
        rows.append((head, [*_measure_cells(first.first_stage), ABSENT, ABSENT]))
    width = max(12, *(len(head) for head, _ in rows))
    lines = [
        f"accuracy: {first.queries} of {first.dataset.judged_queries} judged queries; [95 % interval over queries]",
        candidates_line(first.candidates),
        *(f"  {head:<{width}} " + " ".join(f"{cell:<24}" for cell in cells).rstrip() for head, cells in rows),
    ]
    for record in best_first:
        if record.failures:
            lines.append(
                f"  {record.contestant.name}: {len(record.failures)} of {record.queries} queries failed and count 0"
            )
            lines += [f"  {line}" for line in reasons([sample.error for sample in record.failures if sample.error])]
    return "\n".join(lines)


def paired_line(pair: Paired) -> str:
    """Two contestants on the same queries: the mean difference with its interval, and how sure it is."""
    sign = "+" if pair.difference.value >= 0 else ""
    effect = ABSENT if pair.effect_size is None else f"{pair.effect_size:.2f}"
    return (
        f"  in pairs: {pair.first} - {pair.second}: {pair.measure} {sign}{measure_cell(pair.difference)}, "
        f"p = {pair.p_value:.4f}, effect size {effect}, "
        f"better on {pair.wins}, worse on {pair.losses}, equal on {pair.ties} of {pair.queries} queries"
    )


def accuracy_heading(records: Sequence[AccuracyRecord]) -> str:
    """Who was measured on what: the lines that an accuracy table needs above it."""
    return "\n".join(
        [*(line for record in records for line in _contestant_lines(record)), *dataset_lines(records[0].dataset)]
    )


def _measure_cells(measures: Mapping[str, Estimate]) -> list[str]:
    return [measure_cell(estimate) for estimate in measures.values()]


def _spent(record: AccuracyRecord) -> tuple[str, str]:
    tokens, usd = record.tokens_per_1000_queries, record.usd_per_1000_queries
    return ABSENT if tokens is None else f"{tokens:,.0f}", ABSENT if usd is None else f"{usd:.4f}"


def _contestant_lines(record: AccuracyRecord) -> list[str]:
    """What the server tells of itself, and where the cost comes from."""
    name = record.contestant.name
    lines = [f"{name}: {server_line(record.provenance)}"] if record.provenance.url else []
    if record.cost_source:
        lines.append(f"  note: the cost of {name} is by {record.cost_source}")
    return lines


def measure_cell(estimate: Estimate) -> str:
    """A measure with its interval, as the literature prints it."""
    return cell(estimate, 4)


def cell(estimate: Estimate | None, digits: int) -> str:
    """A figure with its interval; a dash where there is none."""
    if estimate is None:
        return ABSENT
    value, low, high = (figure(part, digits) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def figure(value: float, digits: int) -> str:
    """A bare figure: .5058, as the literature prints measures, where it has four digits."""
    text = f"{value:.{digits}f}"
    return text[1:] if digits == 4 and text.startswith("0.") else text


def server_line(provenance: Provenance) -> str:
    """What the server tells of itself."""
    server = provenance.server or {}
    told = [f"{key} {server[key]}" for key in ("model_id", "model_dtype", "device", "version") if key in server]
    return f"{', '.join(told) or 'tells nothing of itself'}, at {provenance.url}"


def dataset_lines(note: DatasetNote) -> list[str]:
    """What a reader of any figure on this dataset must know of it."""
    lines = [f"dataset: {note.name} ({note.split}), {note.judged_queries} judged queries, {note.documents} documents"]
    if note.labels:
        lines.append(f"  labels: {note.labels}{'' if note.human_labels else ' (NOT human)'}")
    return [*lines, *(f"  note: {doubt}" for doubt in note.doubts)]


def candidates_line(note: CandidatesNote) -> str:
    """Which lists every contestant was given."""
    without = f", none for {note.queries_without_candidates} queries" if note.queries_without_candidates else ""
    return f"  candidates   top {note.depth} of {note.source} (sha256 {note.sha256[:12]}){without}"
