"""Whose pair is next: by priority, then in turns between API keys, then in turns between a key's requests.

Turns are counted in tokens (deficit round robin, Shreedhar and Varghese 1996). A request that has had no turn yet goes
before those that have, for one quantum (the sparse-flow rule of FQ-CoDel, RFC 8290): a small request is answered at
once though large ones are under way, and a large one pays no more than that quantum's wait. Old requests keep a
quarter of the tokens however many new ones come. A structure without threads or clocks: the batcher locks and times.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

QUANTUM_TOKENS = 2048
"""Tokens of a turn: five documents of 400 tokens are served in one."""
NEW_TO_OLD = 3
"""Tokens that new requests get for each of the old ones, at most."""


class Schedulable(Protocol):
    """A request in the queue."""

    @property
    def priority(self) -> int:
        """Lower goes first, always."""

    @property
    def key(self) -> str:
        """Name of the API key; requests of one key share its turns."""

    @property
    def share(self) -> float:
        """Weight of the key in the fair share, relative to other keys."""


E = TypeVar("E", bound=Schedulable)


class EntryPair(msgspec.Struct, Generic[E], frozen=True):
    """One pair of a queued request."""

    entry: E
    """The request."""
    index: int
    """The pair's index within the request."""
    length: int
    """Its length in tokens."""


class _Flow(Generic[E]):
    """The waiting pairs of one request, as indexes and lengths."""

    __slots__ = ("deficit", "entry", "pairs", "tokens")

    def __init__(self, entry: E, pairs: Iterable[tuple[int, int]]) -> None:
        self.entry = entry
        self.pairs = deque(pairs)
        self.tokens = sum(length for _, length in self.pairs)
        self.deficit = QUANTUM_TOKENS


class KeyQueue(Generic[E]):
    """The requests of one API key: new ones, which had no whole turn yet, and old ones, in a ring."""

    __slots__ = ("deficit", "lead", "new", "old", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self.new: deque[_Flow[E]] = deque()
        self.old: deque[_Flow[E]] = deque()
        self.deficit = 0.0
        self.lead = 0

    def take(self) -> EntryPair[E]:
        """Take the next pair; there must be one."""
        while True:
            is_new = bool(self.new) and (not self.old or self.lead < NEW_TO_OLD * QUANTUM_TOKENS)
            ring = self.new if is_new else self.old
            flow = ring[0]
            if flow.deficit <= 0:
                flow.deficit += QUANTUM_TOKENS
                self.old.append(ring.popleft())
                continue
            index, length = flow.pairs.popleft()
            flow.deficit -= length
            flow.tokens -= length
            if not flow.pairs:
                ring.popleft()
            self._note(length, is_new=is_new)
            return EntryPair(flow.entry, index, length)

    def _note(self, tokens: int, *, is_new: bool) -> None:
        """Keep what new requests are ahead of the old ones, while there are old ones."""
        if not self.old:
            self.lead = 0
        elif is_new:
            self.lead += tokens
        else:
            self.lead = max(0, self.lead - NEW_TO_OLD * tokens)

    def flows(self) -> Iterator[_Flow[E]]:
        """Every request's flow, the new ones first."""
        yield from self.new
        yield from self.old

    @property
    def tokens(self) -> int:
        """Tokens that wait for this key."""
        return sum(flow.tokens for flow in self.flows())

    def tokens_ahead(self, tokens: int) -> int:
        """Count the key's tokens that are served before a new request of so many is done.

        Other new requests have the rest of their first turn before it, old ones a token for each `NEW_TO_OLD` of the
        new; in what it has beyond a turn it is old itself, and each other has as many as it has.
        """
        first = sum(min(flow.tokens, max(0, math.ceil(flow.deficit))) for flow in self.new)
        beside = (first + min(tokens, QUANTUM_TOKENS)) // NEW_TO_OLD
        before = first + min(beside, sum(flow.tokens for flow in self.old))
        if tokens <= QUANTUM_TOKENS:
            return before
        return max(before, sum(min(flow.tokens, tokens) for flow in self.flows()))

    def __bool__(self) -> bool:
        return bool(self.new or self.old)


class PriorityLevel(Generic[E]):
    """The keys of one priority, in a ring."""

    __slots__ = ("keys", "ring")

    def __init__(self) -> None:
        self.keys: dict[str, KeyQueue[E]] = {}
        self.ring: deque[str] = deque()

    def add(self, flow: _Flow[E]) -> None:
        """Queue a new request."""
        name = flow.entry.key
        if name not in self.keys:
            self.keys[name] = KeyQueue(flow.entry.share)
            self.ring.append(name)
        self.keys[name].new.append(flow)

    def take(self) -> EntryPair[E]:
        """Take the next pair; there must be one."""
        while True:
            name = self.ring[0]
            key = self.keys[name]
            if key.deficit <= 0:  # of a lone key too, or it would owe to the next one what nobody else wanted
                key.deficit += QUANTUM_TOKENS * key.share
                self.ring.rotate(-1)
                continue
            pair = key.take()
            key.deficit -= pair.length
            if not key:
                self.drop(name)
            return pair

    def drop(self, name: str) -> None:
        """Forget a key that has nothing queued."""
        del self.keys[name]
        self.ring.remove(name)

    def remove(self, entry: E) -> _Flow[E] | None:
        """Drop what waits of a request and return it."""
        key = self.keys.get(entry.key)
        flow = next((flow for flow in key.flows() if flow.entry is entry), None) if key is not None else None
        if key is not None and flow is not None:
            (key.new if flow in key.new else key.old).remove(flow)
            if not key:
                self.drop(entry.key)
        return flow


class FairScheduler(Generic[E]):
    """The waiting pairs of all requests."""

    def __init__(self) -> None:
        self._levels: dict[int, PriorityLevel[E]] = {}
        self.tokens = 0
        self.pairs = 0

    def __bool__(self) -> bool:
        return self.pairs > 0

    def add(self, entry: E, pairs: Sequence[tuple[int, int]]) -> None:
        """Queue a request: (index, length in tokens) of each pair, in the order in which they are to be taken."""
        flow = _Flow(entry, pairs)
        self._levels.setdefault(entry.priority, PriorityLevel()).add(flow)
        self.tokens += flow.tokens
        self.pairs += len(flow.pairs)

    def take(self) -> EntryPair[E]:
        """Take the pair whose turn it is; there must be one."""
        first = min(self._levels)
        level = self._levels[first]
        pair = level.take()
        self.pairs -= 1
        self.tokens -= pair.length
        if not level.keys:
            del self._levels[first]
        return pair

    def remove(self, entry: E) -> None:
        """Drop what waits of a request, if anything does."""
        level = self._levels.get(entry.priority)
        if level is None:
            return
        flow = level.remove(entry)
        if flow is not None:
            self.tokens -= flow.tokens
            self.pairs -= len(flow.pairs)
        if not level.keys:
            del self._levels[entry.priority]

    def tokens_ahead(self, request: Schedulable, tokens: int) -> int:
        """Count the tokens that are served before a new request of so many is done, if no other comes after it.

        What is of higher priority goes first as a whole, and what is lower waits. Of its own priority, the requests of
        its key have their turns (`KeyQueue.tokens_ahead`), and each other key as many tokens as its key by their
        shares, with a turn at the start.
        """
        before = sum(
            key.tokens
            for priority, level in self._levels.items()
            if priority < request.priority
            for key in level.keys.values()
        )
        level = self._levels.get(request.priority)
        if level is None:
            return before
        own = level.keys[request.key].tokens_ahead(tokens) if request.key in level.keys else 0
        turns = math.ceil((own + tokens) / (QUANTUM_TOKENS * request.share))
        others = [key for name, key in level.keys.items() if name != request.key]
        return before + own + sum(min(key.tokens, math.ceil(turns * QUANTUM_TOKENS * key.share)) for key in others)

    def tokens_of_key(self, name: str) -> int:
        """Tokens of a key's requests that wait."""
        return sum(level.keys[name].tokens for level in self._levels.values() if name in level.keys)

    def fraction(self, name: str, share: float) -> float:
        """A key's fraction of the sum of all shares, its own and those of the keys that wait; at most 1."""
        shares = {other: key.share for level in self._levels.values() for other, key in level.keys.items()}
        return share / sum((shares | {name: share}).values())

    def of_lower_priority(self, priority: int) -> Iterator[tuple[E, int]]:
        """Requests of lower priority with the waiting tokens of each: the lowest first, the newest of those first."""
        for level_priority in sorted(self._levels, reverse=True):
            if level_priority > priority:
                for key in reversed(self._levels[level_priority].keys.values()):
                    for flow in reversed([*key.old, *key.new]):
                        yield flow.entry, flow.tokens
