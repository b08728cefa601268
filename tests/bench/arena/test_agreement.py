"""Judge agreement and position bias on cases worked by hand."""

import pytest

from bench.arena.agreement import agreement, cohens_kappa, combined, position_bias
from bench.arena.records import Ballot, Side, Verdict
from bench.arena.tournament import verdicts


def keyed(verdicts: str) -> dict[tuple[str, str, str, str], str]:
    names = {"a": "a", "b": "b", "t": "tie"}
    return {("toy", f"q{n}", "x", "y"): names[letter] for n, letter in enumerate(verdicts)}


def test_cohens_kappa_is_the_textbooks() -> None:
    """Ten matches, seven agreed: expected (5·6 + 4·3 + 1·1) / 100 = .43, kappa = (.7 - .43) / .57."""
    found = agreement("other", keyed("aaaaabbbbt"), keyed("aaaabbbaat"))
    assert found.matches == 10
    assert found.same == pytest.approx(0.7)
    assert found.kappa == pytest.approx((0.7 - 0.43) / 0.57, abs=1e-6)


def test_agreement_is_of_common_matches_only() -> None:
    """Matches that only one of two judges decided tell nothing."""
    ours, theirs = keyed("ab"), keyed("abbb")
    assert agreement("other", ours, theirs).matches == 2
    nothing = agreement("other", ours, {})
    assert (nothing.matches, nothing.same, nothing.kappa) == (0, None, None)


def test_kappa_is_absent_where_chance_alone_agrees() -> None:
    """Both judges say a always."""
    assert cohens_kappa([("a", "a")] * 4) is None
    assert cohens_kappa([("a", "b"), ("b", "a")]) == -1.0


def test_a_contradiction_is_a_tie() -> None:
    """Whatever is not the same list twice."""
    assert combined(["a", "a"]) == "a"
    assert combined(["a", "b"]) == "tie"
    assert combined(["a", "tie"]) == "tie"
    assert combined(["b"]) == "b"


def vote(query: int, first: Side, verdict: Verdict) -> Ballot:
    return Ballot("toy", f"q{query}", "x", "y", first, verdict, "r", "s")


def test_a_vote_on_one_presentation_counts_as_it_stands_last() -> None:
    """A person's: the later vote in place of the earlier, though with another `--top`; a skip is no verdict."""
    later = Ballot("toy", "q0", "x", "y", "a", "b", "r", "another cut")
    votes = [vote(0, "a", "a"), vote(1, "b", "tie"), vote(2, "a", "skip"), later]
    rankings = {("toy", f"q{n}", "x", "y"): "r" for n in range(3)}
    assert verdicts(votes, rankings) == {("toy", "q0", "x", "y"): "b", ("toy", "q1", "x", "y"): "tie"}
    assert verdicts(votes, {}) == {}


def test_position_bias_is_the_share_that_the_first_list_won() -> None:
    """A judge that says "first" always; one that knows what it wants; ties decide nothing."""
    always_first = [[vote(n, "a", "a"), vote(n, "b", "b")] for n in range(5)]
    biased = position_bias(always_first, 0)
    assert biased is not None
    assert (biased.first_wins.value, biased.decided, biased.both_orders, biased.contradictions) == (1.0, 10, 5, 5)
    steady = position_bias([[vote(n, "a", "a"), vote(n, "b", "a")] for n in range(5)], 0)
    assert steady is not None
    assert (steady.first_wins.value, steady.contradictions) == (0.5, 0)
    assert position_bias([[vote(0, "a", "tie"), vote(0, "b", "tie")]], 0) is None
