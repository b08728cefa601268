"""Two profiles compared: verdicts on known differences and on none, what is refused, and the gate."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.latency import files, samples
from bench.latency.comparison import compare, failures
from bench.latency.ratios import PointPair, ratios
from bench.latency.records import Ratio
from bench.latency.samples import Profile
from bench.records import Sample
from tests.support.latency_profiles import closed_rounds, noisy_ms, plan, profile, sample
from tests.support.observe import observe

PLAN = plan(200, 10)


def _rounds(seed: str, factor: float = 1.0, count: int = 200, of_rounds: int = 10) -> list[list[Sample]]:
    """One run of a server: the same requests whatever the seed, other noise."""
    content = random.Random("content")
    draw = random.Random(seed)
    latencies_ms = noisy_ms(draw, count, [content.gauss(0, 1) for _ in range(count)])
    return closed_rounds([factor * ms for ms in latencies_ms], of_rounds)


def _ratios(a: Sequence[Sequence[Sample]], b: Sequence[Sequence[Sample]]) -> list[Ratio]:
    return ratios([PointPair(PLAN.point, observe(a), observe(b), same_plan=True)])


def _by_figure(found: Sequence[Ratio]) -> dict[str, Ratio]:
    return {ratio.figure: ratio for ratio in found}


@pytest.mark.slow
def test_two_runs_of_one_build_show_no_difference() -> None:
    """In at least 95 of 100 pairs of runs, with one plan or two, not one of seven figures differs.

    Noise lingers and some requests are slow, as on a real machine.
    """
    wrong = 0
    for seed in range(100):
        a, b = (observe(_rounds(f"{side} {seed}", count=80)) for side in "ab")
        found = ratios([PointPair(PLAN.point, a, b, same_plan=seed % 2 == 0)])
        assert len(found) == 7
        wrong += any(ratio.verdict != "no difference shown" for ratio in found)
    assert wrong <= 5


@pytest.mark.slow
def test_a_build_slowed_by_a_fifth_is_shown() -> None:
    """In 10 of 10 pairs of runs P50, the mean and documents/s are slower, and faster the other way round."""
    for seed in range(10):
        a, b = _rounds(f"a {seed}"), _rounds(f"b {seed}", 1.2)
        for first, second, verdict in ((a, b, "slower"), (b, a, "faster")):
            found = _by_figure(_ratios(first, second))
            assert {found[name].verdict for name in ("P50", "mean", "documents/s", "inference P50")} == {verdict}


def test_ratios_are_those_of_the_figures() -> None:
    """Twice as slow throughout: every latency and stage 2, documents a second a half, each inside its interval."""
    found = _by_figure(_ratios(_rounds("a"), _rounds("a", 2.0)))
    assert found.pop("documents/s").ratio == pytest.approx(0.5)
    for ratio in found.values():
        assert ratio.ratio == pytest.approx(2)
        assert ratio.low is None or ratio.low <= ratio.ratio <= (ratio.high or 0)
    assert list(found) == ["P50", "P90", "P99", "mean", "inference P50", "inference P90"]


def test_what_both_share_cancels_in_one_plan() -> None:
    """Rounds that are slow for both (other requests, a busy minute) widen the interval of separate plans only."""
    draw = random.Random(2)
    level = [draw.uniform(50, 500) for _ in range(10)]
    latencies_ms = [level[index // 20] * draw.uniform(0.98, 1.02) for index in range(200)]
    a, b = (observe(closed_rounds([f * ms for ms in latencies_ms], 10)) for f in (1.0, 1.1))
    widths = {}
    for same_plan in (True, False):
        mean = _by_figure(ratios([PointPair(PLAN.point, a, b, same_plan)]))["mean"]
        assert mean.low is not None
        widths[same_plan] = (mean.high or 0) - mean.low
    assert widths[True] < 0.1 * widths[False]


def test_a_percentile_with_few_answers_beyond_it_is_told_and_not_judged() -> None:
    """P90 needs 50 answers and P99 500: a tenfold P99 of 200 is no verdict."""
    found = _by_figure(_ratios(_rounds("a"), _rounds("a", 10.0)))
    assert found["P90"].verdict == "slower"
    assert (found["P99"].verdict, found["P99"].low) == ("no difference shown", None)
    assert found["P99"].why_not_judged == "200 answers, but 500 are needed"
    few = _by_figure(_ratios(_rounds("a", count=40), _rounds("a", 10.0, count=40)))
    assert few["P90"].why_not_judged == "40 answers, but 50 are needed"
    assert few["P50"].verdict == "slower"


def test_more_comparisons_make_every_interval_wider() -> None:
    """The same figures among twelve points are judged more strictly than alone."""
    pair = PointPair(PLAN.point, observe(_rounds("a")), observe(_rounds("b", 1.2)), same_plan=True)
    others = [
        PointPair(
            plan(200, 10, documents=n).point, observe(_rounds(f"a {n}")), observe(_rounds(f"b {n}")), same_plan=True
        )
        for n in range(1, 12)
    ]
    alone, among = (_by_figure(ratios([pair, *more])[:7])["P50"] for more in ([], others))
    assert alone.low is not None
    assert among.low is not None
    assert among.ratio == alone.ratio
    assert among.low < alone.low


def _write(folder: Path, made: Profile) -> None:
    path = folder / "latency" / f"{made.note.profile}.parquet"
    samples.write(made, path)
    files.finish(made, path)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Profiles `before` and `same` of one build, and `slow`, which is slower by a fifth."""
    for name, seed, factor in (("before", "a 1", 1.0), ("same", "b 1", 1.0), ("slow", "c 1", 1.2)):
        _write(tmp_path, profile(name, [(PLAN, _rounds(seed, factor))]))
    return tmp_path


def _compare(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", "--results", str(results), *arguments])


def test_the_gate_fails_where_a_build_is_shown_to_be_slower(results: Path) -> None:
    """1.10 and a fifth slower: exit code 1, one sentence with the figure; the same build, and 1.30, pass with 0."""
    failed = _compare(results, "before", "slow", "--fail-over", "1.10")
    assert failed.exit_code == 1
    assert "slow compared with before: slower in" in failed.stdout
    sentence = failed.stderr.strip().splitlines()[-1]
    assert sentence.startswith("Error: --fail-over 1.1 failed: slow, sample: 50 documents a request, closed loop")
    assert "P50 is 1.2" in sentence
    for arguments in (("before", "same", "--fail-over", "1.10"), ("before", "slow", "--fail-over", "1.30")):
        passed = _compare(results, *arguments)
        assert passed.exit_code == 0, passed.stderr
        assert f"--fail-over {float(arguments[-1]):g} passed" in passed.stderr
    assert _compare(results, "before", "slow").exit_code == 0
    assert _compare(results, "before", "same", "slow", "--fail-over", "1.10").exit_code == 1


def test_the_gate_fails_where_it_cannot_judge_or_requests_fail() -> None:
    """A point that is gone, refused percentiles and more errors do not pass, however fast the rest is."""
    other = plan(200, 10, documents=10)
    a = profile("a", [(PLAN, _rounds("a 1")), (other, _rounds("a 2"))])
    assert failures(compare(a, a), 1.1) == []
    gone = failures(compare(a, profile("b", [(PLAN, _rounds("b 1"))])), 1.1)
    assert gone == [f"{other.point}: b did not measure it"]
    late = [[sample(s.planned_s, 100, late_ms=50) for s in of_round] for of_round in _rounds("b 2")]
    [refused] = failures(compare(a, profile("b", [(PLAN, _rounds("b 1")), (other, late)])), 1.1)
    assert "sent too late" in refused
    shed = [[sample(0, 1, "status 429: full"), *of_round[1:]] for of_round in _rounds("b 2")]
    [failing] = failures(compare(a, profile("b", [(PLAN, _rounds("b 1")), (other, shed)])), 1.1)
    assert failing == f"{other.point}: 5.0% of the requests failed, 0.0% of A's"


def test_what_differs_is_named_and_refused_unless_forced(results: Path) -> None:
    """Another device and other texts: one sentence that names both; --force compares, and says it in the output."""
    changed = msgspec.structs.replace(PLAN, workload_sha256="others")
    other = profile("gpu", [(changed, _rounds("b 1"))], device="cuda", run="another")
    _write(results, other)
    refused = _compare(results, "before", "gpu")
    assert refused.exit_code == 1
    sentence = refused.stderr.strip().splitlines()[-1]
    assert (
        "cannot be compared: device: cpu and cuda; texts of sample: different documents of the same candidates"
        in sentence
    )
    forced = _compare(results, "before", "gpu", "--force")
    assert forced.exit_code == 0, forced.stderr
    assert "DIFFERS: device: cpu and cuda" in forced.stdout
    assert "note: measured in two separate runs" in forced.stdout


def test_another_model_and_other_settings_are_noted() -> None:
    """They may be what is compared: named, not refused."""
    a = profile("a", [(PLAN, _rounds("a 1"))], lanes=2)
    b = profile("b", [(plan(100, 10), _rounds("b 1", count=100))], model_id="n", lanes=4)
    found = compare(a, b)
    assert found.differing == []
    assert found.noted == ["server's model_id: m and n", "server's lanes: 2 and 4", "requests: 200 and 100"]
    assert found.one_run


def test_json_and_markdown_hold_the_same_ratios(results: Path) -> None:
    """Paths to either file and names lead to the same profile; B and C against A."""
    paths = [str(results / "latency" / name) for name in ("before.json", "slow.parquet")]
    [of] = json.loads(_compare(results, *paths, "--format", "json").stdout)
    assert of["record"] == "comparison"
    markdown = _compare(results, "before", "slow", "--format", "markdown").stdout
    for ratio in of["ratios"]:
        assert f"| {ratio['figure']} | " in markdown
        assert f" | {ratio['ratio']:.3f} | " in markdown
    assert len(json.loads(_compare(results, "before", "same", "slow", "--format", "json").stdout)) == 2


def test_a_profile_that_is_not_there_is_one_sentence(results: Path) -> None:
    """The names that are there are told; one profile alone is a usage error."""
    result = _compare(results, "before", "nosuch")
    assert result.exit_code == 1
    assert "no profile 'nosuch'" in result.stderr
    assert "before, same, slow" in result.stderr
    assert _compare(results, "before").exit_code == 2
