"""The latency page: every profile at every point, and the effects of documents, load and stages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from bench.latency.records import LatencySummary, Point, PointFigures
from bench.latency.tables import repeated_line
from bench.records import Estimate
from bench.report.charts import Chart, Line, Series, bars, ecdf, lines
from bench.report.collect import Collected, LatencyProfile
from bench.report.table import Cell, Column, Row, Table, estimated, figure, ms, rate, share, whole, words
from bench.wording import counted

PointKey = Callable[[Point], Point]


@dataclass(frozen=True)
class LatencyPage:
    """The contents of the page."""

    table: Table
    stages: Table | None
    charts: list[tuple[str, list[Chart]]]
    """Heading and charts of each section."""
    refusals: list[str]
    """Points without percentiles and the reason, the errors that occurred, and the pairs that were sent before."""


def latency_page(collected: Collected, colours: Mapping[str, int]) -> LatencyPage | None:
    """Return the page; None if no latency was measured."""
    if not collected.profiles:
        return None
    measured = [(profile, of) for profile in collected.profiles for of in profile.record.points]
    rows = [Row(f"{profile.name}/{of.plan.point}", [words(profile.name), *point_cells(of)]) for profile, of in measured]
    columns = [Column("profile", "profile", is_text=True), *point_columns()]
    number = _numbers(collected.profiles, colours)
    charts = [
        ("Distribution", _ecdfs(measured, number)),
        ("By documents per request", _by_documents(measured, number)),
        ("By request rate and number of clients", _by_load(measured, number)),
        ("Stages, as reported by the server", _stage_charts(measured)),
    ]
    return LatencyPage(
        table=Table("latency", "Every profile at every point, with 95 % intervals", columns, rows),
        stages=_stages_table(measured),
        charts=[(head, drawn) for head, drawn in charts if drawn],
        refusals=[line for profile, of in measured for line in _refusals(profile, of)],
    )


def point_columns() -> list[Column]:
    """Return the columns of a point and its figures."""
    planned = "From the planned sending time to the last byte, of successful requests."
    return [
        Column("dataset", "dataset", is_text=True),
        Column("documents", "documents", "Documents per request."),
        Column("length", "length", "Length of each document.", is_text=True),
        Column("load", "load", "Closed loop: a client waits for its answer. Open loop: sent as planned.", is_text=True),
        Column("requests", "requests"),
        Column("errors", "errors %"),
        Column("p50", "P50 ms", planned),
        Column("p90", "P90 ms", planned),
        Column("p99", "P99 ms", planned),
        Column("mean", "mean ms", planned),
        Column("documents_per_s", "documents/s", "Of successful requests, per second of wall time."),
    ]


def point_cells(of: PointFigures) -> list[Cell]:
    """Return the cells of one point."""
    point, summary = of.plan.point, of.summary
    why = summary.refused or "no request succeeded"
    latencies = (summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.mean_ms)
    return [
        words(point.dataset),
        figure(point.documents, whole),
        words(point.length),
        words(load_of(point)),
        figure(summary.requests, whole),
        figure(summary.error_rate, share),
        *(estimated(at, ms, why) for at in latencies),
        estimated(summary.documents_per_s, rate, why),
    ]


RANKS: Sequence[tuple[str, Callable[[LatencySummary], Estimate | None]]] = (
    ("P50", lambda at: at.p50_ms),
    ("P90", lambda at: at.p90_ms),
)


def load_of(point: Point) -> str:
    """Describe the load in a few words."""
    if point.loop == "closed":
        return f"closed, concurrency {point.concurrency}"
    return f"open, {point.rate_per_s:g}/s {point.arrivals}"


Measured = Sequence[tuple[LatencyProfile, PointFigures]]


def _numbers(profiles: Sequence[LatencyProfile], colours: Mapping[str, int]) -> dict[str, int]:
    """Number the colours: a profile has its contestant's colour unless the contestant has several profiles."""
    contestants = [profile.contestant for profile in profiles]
    if len(set(contestants)) == len(contestants):
        return {profile.name: colours[profile.contestant] for profile in profiles}
    return {profile.name: index for index, profile in enumerate(profiles)}


def _stages_table(measured: Measured) -> Table | None:
    stages = dict.fromkeys(stage for _, of in measured for stage in of.summary.stages_p50_ms)
    if not stages:
        return None
    rows = []
    for profile, of in measured:
        why = "not reported by the server"
        cells = [words(profile.name), words(str(of.plan.point))]
        for stage in stages:
            cells += [
                estimated(part.get(stage), ms, why) for part in (of.summary.stages_p50_ms, of.summary.stages_p90_ms)
            ]
        rows.append(Row(f"{profile.name}/{of.plan.point}", cells))
    heads = [Column(f"{stage}-{rank}", f"P{rank} ms", group=stage) for stage in stages for rank in (50, 90)]
    columns = [Column("profile", "profile", is_text=True), Column("point", "point", is_text=True), *heads]
    return Table(
        "stages",
        "Stages of Server-Timing; their percentiles do not add up to those of the whole request",
        columns,
        rows,
    )


def _ecdfs(measured: Measured, number: Mapping[str, int]) -> list[Chart]:
    """Return one chart per point, with every profile measured at it."""
    charts = []
    for index, (point, group) in enumerate(_grouped(measured, lambda point: point)):
        drawn = []
        for profile, of in group:
            observed = profile.samples.observations(profile.samples.index(of.plan))
            if of.summary.p50_ms is not None:
                drawn.append((Series(profile.name, number[profile.name]), observed.latency_ms[observed.succeeded]))
        if drawn:
            charts.append(ecdf(f"ecdf-{index}", str(point), drawn, "ms, planned sending time to last byte"))
    return charts


def _by_documents(measured: Measured, number: Mapping[str, int]) -> list[Chart]:
    return _line_charts(
        "documents", measured, number, lambda point: replace(point, documents=0), lambda point: point.documents,
        "documents per request",
    )  # fmt: skip


def _by_load(measured: Measured, number: Mapping[str, int]) -> list[Chart]:
    is_open = [(profile, of) for profile, of in measured if of.plan.point.loop == "open"]
    closed = [(profile, of) for profile, of in measured if of.plan.point.loop == "closed"]
    return [
        *_line_charts(
            "rate", is_open, number, lambda point: replace(point, rate_per_s=None),
            lambda point: point.rate_per_s or 0, "requests per second, open loop",
        ),
        *_line_charts(
            "clients", closed, number, lambda point: replace(point, concurrency=None),
            lambda point: point.concurrency or 0, "clients, closed loop",
        ),
    ]  # fmt: skip


def _line_charts(
    key: str, measured: Measured, number: Mapping[str, int], fixed: PointKey, along: Callable[[Point], float], axis: str
) -> list[Chart]:
    """Chart P50 and P90 along one coordinate, a pair of charts for each combination of the others."""
    charts = []
    for index, (rest, group) in enumerate(_grouped(measured, fixed)):
        if len({along(of.plan.point) for _, of in group}) < 2:
            continue
        for rank, of_summary in RANKS:
            drawn = _lines(group, number, along, of_summary)
            if drawn:
                charts.append(lines(f"{key}-{index}-{rank}", f"{rank}, {_rest(rest)}", drawn, (axis, f"{rank} ms")))
    return charts


def _lines(
    group: Measured,
    number: Mapping[str, int],
    along: Callable[[Point], float],
    of_summary: Callable[[LatencySummary], Estimate | None],
) -> list[Line]:
    drawn = []
    for name in dict.fromkeys(profile.name for profile, _ in group):
        points = sorted(
            ((along(of.plan.point), at) for profile, of in group
             if profile.name == name and (at := of_summary(of.summary)) is not None),
            key=lambda pair: pair[0],
        )  # fmt: skip
        if points:
            drawn.append(Line(Series(name, number[name]), [x for x, _ in points], [y for _, y in points]))
    return drawn


def _rest(point: Point) -> str:
    """Describe the coordinates that are constant in a chart."""
    parts = [point.dataset]
    parts += [f"{counted(point.documents, 'document')}"] if point.documents else []
    parts += [] if point.length == "any" else [f"{point.length} documents"]
    if point.loop == "closed":
        parts += [f"concurrency {point.concurrency}"] if point.concurrency else []
    elif point.rate_per_s:
        parts += [point.load]
    return ", ".join(parts)


def _stage_charts(measured: Measured) -> list[Chart]:
    charts = []
    for index, (point, group) in enumerate(_grouped(measured, lambda point: point)):
        rows = [
            (profile.name, {stage: at.value for stage, at in of.summary.stages_p50_ms.items() if stage != "total"})
            for profile, of in group
            if of.summary.stages_p50_ms
        ]
        if rows:
            charts.append(bars(f"stages-{index}", f"P50 of each stage: {point}", rows, "ms"))
    return charts


def _grouped(measured: Measured, key: PointKey) -> Iterable[tuple[Point, Measured]]:
    groups: dict[Point, list[tuple[LatencyProfile, PointFigures]]] = {}
    for profile, of in measured:
        groups.setdefault(key(of.plan.point), []).append((profile, of))
    return groups.items()


def _refusals(profile: LatencyProfile, of: PointFigures) -> list[str]:
    reasons = [*([of.summary.refused] if of.summary.refused else []), *of.summary.reasons]
    reasons += [line] if (line := repeated_line(of, profile.record.note)) else []
    return [f"{profile.name}, {of.plan.point}: {line}" for line in reasons]
