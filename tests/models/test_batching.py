"""The batch plan: every pair once, no batch over budget, longest first."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from models.batching import NO_BATCHING, plan_batches


def padded_tokens(lengths: list[int], batch: list[int]) -> int:
    """Tokens that the device computes for a batch, padding included."""
    return max(lengths[index] for index in batch) * len(batch)


lengths = st.lists(st.integers(min_value=1, max_value=512), max_size=200)


@given(lengths, st.sampled_from([NO_BATCHING, 1, 64, 512, 4096]))
def test_every_pair_is_in_exactly_one_batch(lengths: list[int], budget: int) -> None:
    """Nothing is lost and nothing runs twice."""
    assert sorted(index for batch in plan_batches(lengths, budget) for index in batch) == list(range(len(lengths)))


@given(lengths, st.sampled_from([64, 512, 4096]))
def test_no_batch_of_several_pairs_is_over_budget(lengths: list[int], budget: int) -> None:
    """Padding counts; only a pair that is alone may be longer than the budget."""
    for batch in plan_batches(lengths, budget):
        assert len(batch) == 1 or padded_tokens(lengths, batch) <= budget


@given(lengths, st.sampled_from([512, 4096]), st.integers(min_value=0, max_value=300))
def test_no_batch_is_padded_by_more_than_it_may(lengths: list[int], budget: int, most: int) -> None:
    """And no pair is left out of the batch before it that would have had room there."""
    batches = plan_batches(lengths, budget, most)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert padded_tokens(lengths, batch) - sum(lengths[index] for index in batch) <= most
    for batch, after in itertools.pairwise(batches):
        both = [*batch, after[0]]
        padding = padded_tokens(lengths, both) - sum(lengths[index] for index in both)
        assert padding > most or padded_tokens(lengths, both) > budget


@given(lengths)
def test_without_a_budget_every_pair_runs_alone_longest_first(lengths: list[int]) -> None:
    """The longest pair starts first, so that it does not end last."""
    batches = plan_batches(lengths, NO_BATCHING)
    assert all(len(batch) == 1 for batch in batches)
    assert [lengths[batch[0]] for batch in batches] == sorted(lengths, reverse=True)


def test_a_worked_case() -> None:
    """Sorted by length and cut by padded cost: 3 x 30 <= 100, the next two pairs share the rest, one is over budget."""
    assert plan_batches([30, 200, 25, 10, 28, 9], 100) == [[1], [0, 4, 2], [3, 5]]


def test_pairs_of_like_length_share_a_batch() -> None:
    """Sorting leaves almost no padding where a naive order would double the work."""
    mixed = [20, 400] * 32
    padded = sum(padded_tokens(mixed, batch) for batch in plan_batches(mixed, 1600))
    assert padded <= sum(mixed) * 1.05
