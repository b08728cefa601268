"""Compares two profiles: their common points, their differences, and the ratios of their figures.

A ratio compares the rerankers only if everything else was equal. `differing` lists differences that make the command
refuse: other texts, another machine, another device. `noted` lists differences that a reader must know but may have
intended: another model, other settings, two separate runs on a machine that may not have been equally idle.
"""

from typing import Any

from bench.latency.observations import Observations
from bench.latency.ratios import PointPair, is_slower_than, ratios
from bench.latency.records import Comparison, Point, PointPlan, ProfileNote
from bench.latency.samples import Profile
from bench.latency.summary import refusal

ERROR_MARGIN = 0.01
"""B fails more often than A if its error rate is higher by more than this."""
PLANNED = ("requests", "rounds", "warm_up", "seed")
MODEL = ("model_id", "model_sha", "model_dtype", "artefact_sha256")
Finished = dict[Point, tuple[PointPlan, Observations]]


def compare(a: Profile, b: Profile, seed: int = 0) -> Comparison:
    """Compare B with A at every point that both finished."""
    of_a, of_b = _finished(a), _finished(b)
    shared = [point for point in of_a if point in of_b]
    reasons = {point: _why_not(of_a[point][1], of_b[point][1]) for point in shared}
    pairs = [_pair(point, of_a, of_b) for point in shared if reasons[point] is None]
    reasons |= {point: f"{b.note.profile} did not measure it" for point in of_a if point not in of_b}
    more = [f"only in {b.note.profile}: {point}" for point in of_b if point not in of_a]
    return Comparison(
        a=a.note.profile,
        b=b.note.profile,
        one_run=a.note.run == b.note.run,
        differing=[*_machines(a.note, b.note), *_texts(a.note, b.note, of_a, of_b)],
        noted=[
            *_models(a.note, b.note),
            *_plans(of_a, of_b),
            *_repeated(a.note, b.note, of_a, of_b),
            *_runs(a.note, b.note),
            *more,
        ],
        ratios=ratios(pairs, seed),
        not_compared=[f"{point}: {why}" for point, why in reasons.items() if why],
        more_errors=[line for point in shared if (line := _more_errors(point, of_a[point][1], of_b[point][1]))],
    )


def failures(comparison: Comparison, factor: float) -> list[str]:
    """Return the reasons why B fails `--fail-over` with `factor`; an empty list if it passes.

    B fails if P50, P90, P99, the mean or documents per second are worse by more than the factor (the whole interval
    lies beyond it), if more of its requests failed than A's, or if a point cannot be compared. Stages are not checked,
    since they are parts of the same latency.
    """
    slower = [ratio for ratio in comparison.ratios if not ratio.stage and is_slower_than(ratio, factor)]
    worse = [
        f"{ratio.point}: {ratio.figure} is {ratio.ratio:.2f} times that of {comparison.a} "
        f"[{ratio.low:.2f}, {ratio.high:.2f}]"
        for ratio in slower
    ]
    return worse + comparison.more_errors + comparison.not_compared


def _finished(profile: Profile) -> Finished:
    plans = profile.note.plans
    return {plans[index].point: (plans[index], profile.observations(index)) for index in profile.finished()}


def _pair(point: Point, of_a: Finished, of_b: Finished) -> PointPair:
    (plan_a, observed_a), (plan_b, observed_b) = of_a[point], of_b[point]
    return PointPair(point, observed_a, observed_b, same_plan=plan_a == plan_b)


def _why_not(a: Observations, b: Observations) -> str | None:
    if not (a.succeeded.any() and b.succeeded.any()):
        return "no request succeeded"
    return refusal(a) or refusal(b)


def _more_errors(point: Point, a: Observations, b: Observations) -> str | None:
    was, is_now = 1 - a.succeeded.mean(), 1 - b.succeeded.mean()
    return f"{point}: {is_now:.1%} of the requests failed, {was:.1%} of A's" if is_now > was + ERROR_MARGIN else None


def _machines(a: ProfileNote, b: ProfileNote) -> list[str]:
    was, is_now = a.provenance, b.provenance
    facts = [
        ("client CPU", was.client_cpu, is_now.client_cpu),
        ("client cores", was.client_cores, is_now.client_cores),
        ("device", _server_fact(a, "device"), _server_fact(b, "device")),
    ]
    return [f"{name}: {old} and {new}" for name, old, new in facts if None not in (old, new) and old != new]


def _texts(a: ProfileNote, b: ProfileNote, of_a: Finished, of_b: Finished) -> list[str]:
    """Return the datasets whose texts differ at the same point, with the reason."""
    changed = {p.dataset for p in of_a if p in of_b and of_a[p][0].workload_sha256 != of_b[p][0].workload_sha256}
    lines = []
    for name in sorted(changed):
        sets = [{of.name: of.sha256 for of in note.datasets}.get(name, "") for note in (a, b)]
        lists = [note.candidates[name].sha256 for note in (a, b)]
        what = [
            f"{what} sha256 {old[:12]} and {new[:12]}"
            for what, (old, new) in (("dataset", sets), ("candidates", lists))
            if old != new
        ]
        lines.append(f"texts of {name}: {', '.join(what) or 'different documents of the same candidates'}")
    return lines


def _models(a: ProfileNote, b: ProfileNote) -> list[str]:
    """Return the differences in the model and in everything else that both servers report."""
    was, is_now = a.provenance.server or {}, b.provenance.server or {}
    lines = (
        [f"model: {a.contestant.model} and {b.contestant.model}"] if a.contestant.model != b.contestant.model else []
    )
    silent = [note.profile for note, server in ((a, was), (b, is_now)) if not server]
    lines += [f"the server of {name} does not report its model and device" for name in silent]
    shared = [key for key in was if key in is_now and key != "device"]
    ordered = sorted(shared, key=lambda key: key not in MODEL)
    return lines + [f"server's {key}: {was[key]} and {is_now[key]}" for key in ordered if was[key] != is_now[key]]


def _plans(of_a: Finished, of_b: Finished) -> list[str]:
    pairs = [(of_a[point][0], of_b[point][0]) for point in of_a if point in of_b]
    differing = {
        name: f"{name}: {getattr(a, name)} and {getattr(b, name)}"
        for a, b in reversed(pairs)
        for name in PLANNED
        if getattr(a, name) != getattr(b, name)
    }
    return list(differing.values())


def _repeated(a: ProfileNote, b: ProfileNote, of_a: Finished, of_b: Finished) -> list[str]:
    """Return the points at which one was sent more pairs again than the other, which matters if it caches scores."""
    counts = {point: (a.repeated(of_a[point][0]), b.repeated(of_b[point][0])) for point in of_a if point in of_b}
    return [
        f"{point}: pairs that were sent before in the same run: {was} and {now}"
        for point, (was, now) in counts.items()
        if None not in (was, now) and was != now
    ]


def _runs(a: ProfileNote, b: ProfileNote) -> list[str]:
    if a.run == b.run:
        return []
    return [
        "measured in two separate runs, so a difference may come from changes of the machine's load; in a single run "
        "(`rerank-bench latency --contestant A --contestant B`) contestants take turns"
    ]


def _server_fact(note: ProfileNote, key: str) -> Any:
    return (note.provenance.server or {}).get(key)
