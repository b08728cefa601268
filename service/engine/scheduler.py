"""Fair scheduling: picks the next pair by priority, then round robin over API keys, then over a key's requests.

Turns are counted in tokens (deficit round robin, Shreedhar and Varghese 1996). A request that has had no turn yet takes
precedence over those that have, for one quantum (the sparse-flow rule of FQ-CoDel, RFC 8290): a small request is
answered at once even while large ones are in progress, and delays them by at most that quantum. Old requests keep a
quarter of the tokens however many new ones arrive. This file uses no threads or clock: the batcher has the lock.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

QUANTUM_TOKENS = 2048
"""Tokens per turn, enough for five documents of 400 tokens."""
NEW_TO_OLD = 3
"""Maximum number of tokens served for new requests per token for old ones."""


class Schedulable(Protocol):
    """A request in the queue."""

    @property
    def priority(self) -> int:
        """Requests with lower values are always served first."""

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
    """The pair's length in tokens."""


class _Flow(Generic[E]):
    """The waiting pairs of one request, as indexes and lengths."""

    __slots__ = ("deficit", "entry", "pairs", "tokens")

    def __init__(self, entry: E, pairs: Iterable[tuple[int, int]]) -> None:
        self.entry = entry
        self.pairs = deque(pairs)
        self.tokens = sum(length for _, length in self.pairs)
        self.deficit = QUANTUM_TOKENS


class KeyQueue(Generic[E]):
    """The requests of one API key: new ones, which have not used up a turn yet, and old ones, in a ring."""

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
        """Track how many tokens new requests are ahead of old ones, while there are old ones."""
        if not self.old:
            self.lead = 0
        elif is_new:
            self.lead += tokens
        else:
            self.lead = max(0, self.lead - NEW_TO_OLD * tokens)

    def flows(self) -> Iterator[_Flow[E]]:
        """Yield the flow of every request, new ones first."""
        yield from self.new
        yield from self.old

    @property
    def tokens(self) -> int:
        """Number of waiting tokens of this key."""
        return sum(flow.tokens for flow in self.flows())

    def tokens_ahead(self, tokens: int) -> int:
        """Count the key's tokens that are served before a new request of `tokens` is finished.

        Other new requests first use up their first turn, and old ones get one token per `NEW_TO_OLD` of the new ones.
        Beyond its first turn the request is old itself, and every other request gets as many tokens as it does.
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
            if key.deficit <= 0:  # also for a lone key, or it would owe later keys tokens that nobody else wanted
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
        """Remove the waiting pairs of a request and return them."""
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
        """Take the next pair; there must be one."""
        first = min(self._levels)
        level = self._levels[first]
        pair = level.take()
        self.pairs -= 1
        self.tokens -= pair.length
        if not level.keys:
            del self._levels[first]
        return pair

    def remove(self, entry: E) -> None:
        """Remove the waiting pairs of a request, if any."""
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
        """Count the tokens that are served before a new request of `tokens` is finished, if no other arrives later.

        All requests of higher priority are served before it, those of lower priority after it. At its own priority,
        its key's other requests get their turns (`KeyQueue.tokens_ahead`), and each other key gets as many tokens as
        its own key, weighted by their shares, with one turn at the start.
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
        """Return the number of waiting tokens of a key's requests."""
        return sum(level.keys[name].tokens for level in self._levels.values() if name in level.keys)

    def fraction(self, name: str, share: float) -> float:
        """Return a key's fraction of all shares, its own and those of the waiting keys; at most 1."""
        shares = {other: key.share for level in self._levels.values() for other, key in level.keys.items()}
        return share / sum((shares | {name: share}).values())

    def of_lower_priority(self, priority: int) -> Iterator[tuple[E, int]]:
        """Yield requests of lower priority with their waiting tokens: lowest priority first, then newest first."""
        for level_priority in sorted(self._levels, reverse=True):
            if level_priority > priority:
                for key in reversed(self._levels[level_priority].keys.values()):
                    for flow in reversed([*key.old, *key.new]):
                        yield flow.entry, flow.tokens
