"""Whose pair is next: priorities, shares, small before large, and nobody starved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.engine.scheduler import NEW_TO_OLD, QUANTUM_TOKENS, EntryPair, FairScheduler


@dataclass(eq=False)
class Request:
    """A request of so many pairs of one length."""

    name: str
    pairs: int = 1
    length: int = 100
    priority: int = 0
    key: str = ""
    share: float = 1.0


def queued(*requests: Request) -> FairScheduler[Request]:
    scheduler: FairScheduler[Request] = FairScheduler()
    for entry in requests:
        scheduler.add(entry, [(index, entry.length) for index in range(entry.pairs)])
    return scheduler


def order(scheduler: FairScheduler[Request], count: int | None = None) -> list[str]:
    """Take so many pairs, or all; name their requests."""
    return [scheduler.take().entry.name for _ in range(scheduler.pairs if count is None else count)]


def test_a_lone_requests_pairs_keep_their_order() -> None:
    """As they were queued, with index and length."""
    scheduler: FairScheduler[Request] = FairScheduler()
    entry = Request("a")
    scheduler.add(entry, [(2, 9), (0, 7), (1, 5)])
    assert (scheduler.pairs, scheduler.tokens, bool(scheduler)) == (3, 21, True)
    assert [scheduler.take() for _ in range(3)] == [
        EntryPair(entry, 2, 9),
        EntryPair(entry, 0, 7),
        EntryPair(entry, 1, 5),
    ]
    assert (scheduler.pairs, scheduler.tokens, bool(scheduler)) == (0, 0, False)


def test_a_small_request_is_served_at_once_though_large_ones_are_under_way() -> None:
    """Once they have had their first turn, five documents wait for none of theirs."""
    scheduler = queued(Request("large 1", 1000), Request("large 2", 1000))
    order(scheduler, 100)
    scheduler.add(small := Request("small", 5), [(index, 100) for index in range(5)])
    assert order(scheduler, 5) == ["small"] * 5
    assert small.name not in order(scheduler)


def test_large_requests_take_turns_by_tokens() -> None:
    """Two of different lengths have had as many tokens, not as many pairs, within a turn."""
    scheduler = queued(Request("short", 2000, 50), Request("long", 400, 500))
    taken: Counter[str] = Counter()
    for _ in range(1000):
        pair = scheduler.take()
        taken[pair.entry.name] += pair.length
    assert abs(taken["short"] - taken["long"]) <= 2 * QUANTUM_TOKENS + 500


def test_small_requests_without_end_leave_a_quarter_to_the_large() -> None:
    """The sparse-flow rule has a bound."""
    scheduler = queued(Request("large", 10_000))
    order(scheduler, QUANTUM_TOKENS // 100 + 1)
    taken: Counter[str] = Counter()
    for number in range(2000):
        scheduler.add(Request("small"), [(0, 100)])
        taken[scheduler.take().entry.name] += 1
        if number % 10 == 0:
            scheduler.add(Request("small"), [(0, 100)])
    share = taken["large"] / sum(taken.values())
    assert 0.8 / (NEW_TO_OLD + 1) < share < 1.2 / (NEW_TO_OLD + 1)


def test_keys_share_and_requests_share_within_a_key() -> None:
    """A key with ten requests gets as much as a key with one; a key with three shares gets three times as much."""
    scheduler = queued(*(Request("many", 1000, key="m") for _ in range(10)), Request("one", 1000, key="o"))
    taken = Counter(order(scheduler, 1500))
    assert abs(taken["many"] - taken["one"]) <= 2 * QUANTUM_TOKENS // 100
    scheduler = queued(Request("three", 2000, key="t", share=3), Request("one", 2000, key="o"))
    taken = Counter(order(scheduler, 1600))
    assert 2.7 < taken["three"] / taken["one"] < 3.3


def test_a_higher_priority_goes_first_whoever_asks() -> None:
    """Lower numbers first, strictly; within one, turns."""
    scheduler = queued(
        Request("batch", 50, priority=9),
        Request("live", 3, priority=0, key="x"),
        Request("mid", 2, priority=5),
    )
    assert order(scheduler) == ["live"] * 3 + ["mid"] * 2 + ["batch"] * 50


def test_a_request_that_is_taken_back_leaves_nothing() -> None:
    """New or old, alone in its key or not; taking back twice, or what is done, changes nothing."""
    one, two, three = Request("one", 100), Request("two", 100), Request("three", 3, key="k", priority=2)
    scheduler = queued(one, two, three)
    order(scheduler, QUANTUM_TOKENS // 100 + 5)
    for entry in (three, one, one):
        scheduler.remove(entry)
    assert set(order(scheduler)) == {"two"}
    scheduler.remove(two)
    assert (scheduler.pairs, scheduler.tokens, bool(scheduler)) == (0, 0, False)


def test_a_key_does_not_pay_for_what_nobody_else_wanted() -> None:
    """It was alone for a million tokens; from when another comes, each has its half."""
    scheduler = queued(Request("old", 20_000, key="a"))
    order(scheduler, 10_000)
    scheduler.add(Request("new", key="b"), [(index, 100) for index in range(10_000)])
    taken = Counter(order(scheduler, 1000))
    assert abs(taken["old"] - taken["new"]) <= 2 * QUANTUM_TOKENS // 100


def test_what_is_ahead_of_a_new_request() -> None:
    """All of a higher priority, of its own what their turns give the others, nothing of a lower."""
    scheduler = queued(
        Request("urgent", 10, priority=0),
        Request("large", 100, priority=1),
        Request("small", 2, priority=1),
        Request("low", 50, priority=2),
    )
    assert scheduler.tokens_ahead(Request("me", priority=1), 500) == 1000 + QUANTUM_TOKENS + 200
    assert scheduler.tokens_ahead(Request("me", priority=0), 5000) == 1000
    assert scheduler.tokens_ahead(Request("me", priority=9), 10**6) == scheduler.tokens


def before(scheduler: FairScheduler[Request], entry: Request) -> int:
    """Tokens of others that are taken until a new request is done."""
    scheduler.add(entry, [(index, entry.length) for index in range(entry.pairs)])
    left, tokens = entry.pairs, 0
    while left:
        pair = scheduler.take()
        left -= pair.entry is entry
        tokens += pair.length * (pair.entry is not entry)
    return tokens


def test_what_another_key_has_in_the_queue_is_not_all_ahead() -> None:
    """Two hundred requests of it let one of ours pass as soon as one of it would; with a smaller share, later."""
    for share in (1.0, 0.5, 4.0):
        scheduler = queued(*(Request(str(number), 20, key="flood") for number in range(200)))
        mine = Request("mine", 60, key="mine", share=share)
        estimate = scheduler.tokens_ahead(mine, 6000)
        assert abs(estimate - before(scheduler, mine)) <= 2 * QUANTUM_TOKENS


def test_large_requests_that_are_under_way_are_not_all_ahead_of_a_small_one() -> None:
    """Fifty of them have a third of what new ones have."""
    scheduler = queued(*(Request(str(number), 1000) for number in range(50)))
    order(scheduler, 3000)
    small = Request("small", 20)
    assert scheduler.tokens_ahead(small, 2000) == 2000 // NEW_TO_OLD
    assert before(scheduler, small) <= QUANTUM_TOKENS


def test_who_would_make_room() -> None:
    """Only requests of lower priority make room: the lowest first, and among those the newest first."""
    scheduler = queued(
        Request("a", 1, priority=3),
        Request("b", 2, priority=9),
        Request("c", 3, priority=9),
        Request("d", 4, priority=0),
    )
    assert [(entry.name, tokens) for entry, tokens in scheduler.of_lower_priority(0)] == [
        ("c", 300),
        ("b", 200),
        ("a", 100),
    ]
    assert list(scheduler.of_lower_priority(9)) == []


requests = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 3000), st.integers(0, 2), st.sampled_from("xyz")), max_size=12
)


@given(requests, st.data())
def test_every_pair_is_taken_once_and_counted(shapes: Sequence[tuple[int, int, int, str]], data: st.DataObject) -> None:
    """Whatever is added, taken and taken back in between."""
    scheduler: FairScheduler[Request] = FairScheduler()
    waiting: Counter[tuple[int, int]] = Counter()
    added: list[Request] = []
    for pairs, length, priority, key in shapes:
        entry = Request(str(len(added)), pairs, length, priority, key)
        added.append(entry)
        scheduler.add(entry, [(index, length) for index in range(pairs)])
        waiting.update((id(entry), index) for index in range(pairs))
        for _ in range(data.draw(st.integers(0, 5))):
            if scheduler:
                pair = scheduler.take()
                waiting[id(pair.entry), pair.index] -= 1
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(added))
            scheduler.remove(gone)
            waiting = Counter({at: count for at, count in waiting.items() if at[0] != id(gone)})
        left = +waiting
        assert scheduler.pairs == left.total()
        assert scheduler.tokens == sum(next(a.length for a in added if id(a) == at[0]) for at in left)
    while scheduler:
        pair = scheduler.take()
        waiting[id(pair.entry), pair.index] -= 1
    assert (+waiting).total() == (-waiting).total() == 0


def test_old_requests_that_were_alone_for_long_get_no_less_for_it() -> None:
    """Nor do new ones get more: the quarter is counted from when both are there."""
    scheduler = queued(Request("large", 20_000))
    order(scheduler, 5000)
    taken: Counter[str] = Counter()
    for number in range(1000):
        scheduler.add(Request(f"small {number}"), [(0, 100)])
        taken[scheduler.take().entry.name.partition(" ")[0]] += 1
    assert 0.8 / (NEW_TO_OLD + 1) < taken["large"] / 1000 < 1.2 / (NEW_TO_OLD + 1)
