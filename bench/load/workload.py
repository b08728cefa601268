"""The requests of a load test: real queries with real passages, in sizes drawn from a list.

A request is a judged query of the dataset with passages drawn at random from its whole corpus, none of them twice: the
work for a passage depends on its length, not on its relevance, and no worker process has to compute a first stage. The
draws are seeded, so that two runs with the same settings and number of processes send the same requests. A long test
draws a pair of query and passage again, which a server need not compute again; such pairs are numbered and counted.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.datasets import find, load
from bench.errors import BenchError
from bench.load.plans import Pause


@dataclass(frozen=True)
class RequestTexts:
    """The texts from which requests are made, without empty and repeated ones."""

    dataset: str
    queries: list[tuple[str, str]]
    """Id and text."""
    passages: list[str]

    def check(self, sizes: Sequence[int]) -> None:
        """Raise BenchError if a request of one of these sizes would have to repeat a passage."""
        if max(sizes) > len(self.passages):
            raise BenchError(
                f"a request of {max(sizes)} documents would repeat some, which a server need not compute again: the "
                f"number of distinct documents in {self.dataset} is {len(self.passages)}; lower --documents to "
                f"{len(self.passages)}, or give a larger dataset with --data"
            )


@dataclass(frozen=True)
class RerankRequest:
    """One request, independent of a dialect."""

    query_id: str
    query: str
    documents: list[str]
    pairs: list[int] = field(default_factory=list)
    """A number for every pair of the query with a document, the same wherever the dataset is."""


def read(name: str, data_root: Path | None, split: str) -> RequestTexts:
    """Read a dataset's texts: a folder in BEIR layout, a name under `data_root`, or `sample`; DataError otherwise."""
    dataset = load(find(name, data_root), split)
    passages = list(dict.fromkeys(text for text in dataset.documents.values() if text))
    id_of: dict[str, str] = {}
    for query_id, text in dataset.queries.items():
        id_of.setdefault(text, query_id)
    return RequestTexts(dataset.name, [(query_id, text) for text, query_id in id_of.items() if text], passages)


def sizes(text: str) -> list[int]:
    """Parse a list such as `8,32,100`; a repeated size is drawn more often. BenchError if it is invalid."""
    try:
        numbers = [int(size) for size in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise BenchError(f"invalid --documents {text!r}: give whole numbers of at least 1, such as 8,32,100")
    return numbers


def results_wanted(top_n: int) -> int | None:
    """Return the number of results to request; None for 0, which means all. BenchError below 0: servers refuse it."""
    if top_n < 0:
        raise BenchError(f"invalid --top-n {top_n}: give a whole number of at least 1, or 0 for all results")
    return top_n or None


class RequestSampler:
    """An endless, seeded supply of requests for one user."""

    def __init__(self, texts: RequestTexts, sizes: Sequence[int], seed: str) -> None:
        self._texts, self._sizes = texts, sizes
        self._random = random.Random(seed)

    def draw(self) -> RerankRequest:
        """Return the next request, of distinct passages."""
        queries, passages = self._texts.queries, self._texts.passages
        number = self._random.randrange(len(queries))
        chosen = self._random.sample(range(len(passages)), self._random.choice(self._sizes))
        pairs = [number * len(passages) + index for index in chosen]
        return RerankRequest(*queries[number], [passages[index] for index in chosen], pairs)


@dataclass(frozen=True)
class Workload:
    """The requests of a test's users and the pauses between them."""

    texts: RequestTexts
    sizes: list[int]
    pause: Pause
    top_n: int | None
    model: str | None
    seed: int
    key: str | None = field(default=None, repr=False)
    """The server's API key."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {"Content-Type": "application/json", **authorization}

    def sampler(self, worker: int, user: int) -> RequestSampler:
        """Return the sampler of one user, given the number of its process and its number in the process."""
        return RequestSampler(self.texts, self.sizes, f"{self.seed}/{worker}/{user}")
