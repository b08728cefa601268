"""Whose pair is next: priorities, shares, small before large, and nobody starved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.engine.scheduler import NEW_TO_OLD, QUANTUM_TOKENS, FairScheduler


@dataclass(eq=False)
class QueueEntry:
    """A request of so many pairs of one length."""

    name: str
    pairs: int = 1
    length: int = 100
    priority: int = 0
    key: str = ""
    share: float = 1.0


def queued(*asks: QueueEntry) -> FairScheduler[QueueEntry]:
    turns: FairScheduler[QueueEntry] = FairScheduler()
    for entry in asks:
        turns.add(entry, [(place, entry.length) for place in range(entry.pairs)])
    return turns


def order(turns: FairScheduler[QueueEntry], count: int | None = None) -> list[str]:
    """Take so many pairs, or all; name their requests."""
    return [turns.take()[0].name for _ in range(turns.pairs if count is None else count)]


def test_a_lone_requests_pairs_keep_their_order() -> None:
    """As they were queued, with place and length."""
    turns: FairScheduler[QueueEntry] = FairScheduler()
    entry = QueueEntry("a")
    turns.add(entry, [(2, 9), (0, 7), (1, 5)])
    assert (turns.pairs, turns.tokens, bool(turns)) == (3, 21, True)
    assert [turns.take() for _ in range(3)] == [(entry, 2, 9), (entry, 0, 7), (entry, 1, 5)]
    assert (turns.pairs, turns.tokens, bool(turns)) == (0, 0, False)


def test_a_small_request_is_served_at_once_though_large_ones_are_under_way() -> None:
    """Once they have had their first turn, five documents wait for none of theirs."""
    turns = queued(QueueEntry("large 1", 1000), QueueEntry("large 2", 1000))
    order(turns, 100)
    turns.add(small := QueueEntry("small", 5), [(place, 100) for place in range(5)])
    assert order(turns, 5) == ["small"] * 5
    assert small.name not in order(turns)


def test_large_requests_take_turns_by_tokens() -> None:
    """Two of different lengths have had as many tokens, not as many pairs, within a turn."""
    turns = queued(QueueEntry("short", 2000, 50), QueueEntry("long", 400, 500))
    taken: Counter[str] = Counter()
    for _ in range(1000):
        entry, _, length = turns.take()
        taken[entry.name] += length
    assert abs(taken["short"] - taken["long"]) <= 2 * QUANTUM_TOKENS + 500


def test_small_requests_without_end_leave_a_quarter_to_the_large() -> None:
    """The sparse-flow rule has a bound."""
    turns = queued(QueueEntry("large", 10_000))
    order(turns, QUANTUM_TOKENS // 100 + 1)
    taken: Counter[str] = Counter()
    for number in range(2000):
        turns.add(QueueEntry("small"), [(0, 100)])
        taken[turns.take()[0].name] += 1
        if number % 10 == 0:
            turns.add(QueueEntry("small"), [(0, 100)])
    share = taken["large"] / sum(taken.values())
    assert 0.8 / (NEW_TO_OLD + 1) < share < 1.2 / (NEW_TO_OLD + 1)


def test_keys_share_and_requests_share_within_a_key() -> None:
    """A key with ten requests gets as much as a key with one; a key with three shares gets three times as much."""
    turns = queued(*(QueueEntry("many", 1000, key="m") for _ in range(10)), QueueEntry("one", 1000, key="o"))
    taken = Counter(order(turns, 1500))
    assert abs(taken["many"] - taken["one"]) <= 2 * QUANTUM_TOKENS // 100
    turns = queued(QueueEntry("three", 2000, key="t", share=3), QueueEntry("one", 2000, key="o"))
    taken = Counter(order(turns, 1600))
    assert 2.7 < taken["three"] / taken["one"] < 3.3


def test_a_higher_priority_goes_first_whoever_asks() -> None:
    """Lower numbers first, strictly; within one, turns."""
    turns = queued(
        QueueEntry("batch", 50, priority=9),
        QueueEntry("live", 3, priority=0, key="x"),
        QueueEntry("mid", 2, priority=5),
    )
    assert order(turns) == ["live"] * 3 + ["mid"] * 2 + ["batch"] * 50


def test_a_request_that_is_taken_back_leaves_nothing() -> None:
    """New or old, alone in its key or not; taking back twice, or what is done, changes nothing."""
    one, two, three = QueueEntry("one", 100), QueueEntry("two", 100), QueueEntry("three", 3, key="k", priority=2)
    turns = queued(one, two, three)
    order(turns, QUANTUM_TOKENS // 100 + 5)
    for entry in (three, one, one):
        turns.remove(entry)
    assert set(order(turns)) == {"two"}
    turns.remove(two)
    assert (turns.pairs, turns.tokens, bool(turns)) == (0, 0, False)


def test_a_key_does_not_pay_for_what_nobody_else_wanted() -> None:
    """It was alone for a million tokens; from when another comes, each has its half."""
    turns = queued(QueueEntry("old", 20_000, key="a"))
    order(turns, 10_000)
    turns.add(QueueEntry("new", key="b"), [(place, 100) for place in range(10_000)])
    taken = Counter(order(turns, 1000))
    assert abs(taken["old"] - taken["new"]) <= 2 * QUANTUM_TOKENS // 100


def test_what_is_ahead_of_a_new_request() -> None:
    """All of a higher priority, of its own what their turns give the others, nothing of a lower."""
    turns = queued(
        QueueEntry("urgent", 10, priority=0),
        QueueEntry("large", 100, priority=1),
        QueueEntry("small", 2, priority=1),
        QueueEntry("low", 50, priority=2),
    )
    assert turns.ahead(QueueEntry("me", priority=1), 500) == 1000 + QUANTUM_TOKENS + 200
    assert turns.ahead(QueueEntry("me", priority=0), 5000) == 1000
    assert turns.ahead(QueueEntry("me", priority=9), 10**6) == turns.tokens


def before(turns: FairScheduler[QueueEntry], entry: QueueEntry) -> int:
    """Tokens of others that are taken until a new request is done."""
    turns.add(entry, [(place, entry.length) for place in range(entry.pairs)])
    left, tokens = entry.pairs, 0
    while left:
        taken, _, length = turns.take()
        left -= taken is entry
        tokens += length * (taken is not entry)
    return tokens


def test_what_another_key_has_in_the_queue_is_not_all_ahead() -> None:
    """Two hundred requests of it let one of ours pass as soon as one of it would; with a smaller share, later."""
    for share in (1.0, 0.5, 4.0):
        turns = queued(*(QueueEntry(str(number), 20, key="flood") for number in range(200)))
        mine = QueueEntry("mine", 60, key="mine", share=share)
        told = turns.ahead(mine, 6000)
        assert abs(told - before(turns, mine)) <= 2 * QUANTUM_TOKENS


def test_large_requests_that_are_under_way_are_not_all_ahead_of_a_small_one() -> None:
    """Fifty of them have a third of what new ones have."""
    turns = queued(*(QueueEntry(str(number), 1000) for number in range(50)))
    order(turns, 3000)
    small = QueueEntry("small", 20)
    assert turns.ahead(small, 2000) == 2000 // NEW_TO_OLD
    assert before(turns, small) <= QUANTUM_TOKENS


def test_who_would_make_room() -> None:
    """Of lower priority only: the lowest first, and of those the newest."""
    turns = queued(
        QueueEntry("a", 1, priority=3),
        QueueEntry("b", 2, priority=9),
        QueueEntry("c", 3, priority=9),
        QueueEntry("d", 4, priority=0),
    )
    assert [(entry.name, tokens) for entry, tokens in turns.lower(0)] == [("c", 300), ("b", 200), ("a", 100)]
    assert list(turns.lower(9)) == []


asks = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 3000), st.integers(0, 2), st.sampled_from("xyz")), max_size=12
)


@given(asks, st.data())
def test_every_pair_is_taken_once_and_counted(shapes: Sequence[tuple[int, int, int, str]], data: st.DataObject) -> None:
    """Whatever is added, taken and taken back in between."""
    turns: FairScheduler[QueueEntry] = FairScheduler()
    waiting: Counter[tuple[int, int]] = Counter()
    made: list[QueueEntry] = []
    for pairs, length, priority, key in shapes:
        entry = QueueEntry(str(len(made)), pairs, length, priority, key)
        made.append(entry)
        turns.add(entry, [(place, length) for place in range(pairs)])
        waiting.update((id(entry), place) for place in range(pairs))
        for _ in range(data.draw(st.integers(0, 5))):
            if turns:
                taken, place, _ = turns.take()
                waiting[id(taken), place] -= 1
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(made))
            turns.remove(gone)
            waiting = Counter({at: count for at, count in waiting.items() if at[0] != id(gone)})
        left = +waiting
        assert turns.pairs == left.total()
        assert turns.tokens == sum(next(a.length for a in made if id(a) == at[0]) for at in left)
    while turns:
        taken, place, _ = turns.take()
        waiting[id(taken), place] -= 1
    assert (+waiting).total() == (-waiting).total() == 0


def test_old_requests_that_were_alone_for_long_get_no_less_for_it() -> None:
    """Nor do new ones get more: the quarter is counted from when both are there."""
    turns = queued(QueueEntry("large", 20_000))
    order(turns, 5000)
    taken: Counter[str] = Counter()
    for number in range(1000):
        turns.add(QueueEntry(f"small {number}"), [(0, 100)])
        taken[turns.take()[0].name.partition(" ")[0]] += 1
    assert 0.8 / (NEW_TO_OLD + 1) < taken["large"] / 1000 < 1.2 / (NEW_TO_OLD + 1)
