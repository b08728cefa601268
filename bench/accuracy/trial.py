"""Tries further measures before the first request, so that a run never ends in one that cannot be computed.

Each measure is computed in a process of its own, because the libraries below ir_measures end or block theirs where they
fail. It is tried on a small example as soon as it is named, and on each dataset's own judgements and candidates before
a reranker is asked: in the candidates' order, with the relevant documents first, and with these last.
"""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bench.accuracy import measures
from bench.accuracy.measure_names import named
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.settings import import_environment

EXAMPLE_QRELS = {"1": {"11": 3, "12": 0, "13": 1, "14": 2, "15": 0}, "2": {"11": 1, "12": 0}, "3": {"13": 0}}
EXAMPLE_RANKINGS = {"1": ["12", "11", "16", "14", "15"], "2": ["14", "11", "12"], "3": ["13"]}
"""Ids are numbers, because the program for ERR reads no others."""
LIMIT_S = 300.0
"""Seconds until a trial counts as blocked; trec_eval takes one or two for ten thousand queries."""
GDEVAL_HIGHEST_GRADE = 4
LONGEST_REASON = 200


class Trial(msgspec.Struct, frozen=True):
    """What the other process computes."""

    name: str
    qrels: Mapping[str, Mapping[str, int]]
    rankings: Mapping[str, Sequence[str]]
    relevance_level: int

    def run(self) -> None:
        """Compute the measure for three orders of the candidates; BenchError or a crash if it cannot be computed."""
        for order in (self.rankings, self._by_grade(-1), self._by_grade(1)):
            measures.per_query(self.qrels, order, self.relevance_level, further=(self.name,))

    def _by_grade(self, sign: int) -> dict[str, list[str]]:
        return {
            query_id: sorted(ids, key=lambda i: sign * self.qrels.get(query_id, {}).get(i, 0))
            for query_id, ids in self.rankings.items()
        }


def check_measures(names: Sequence[str]) -> None:
    """Raise BenchError if one of the further measures cannot be computed even on a small example."""
    measures.check(names)
    for name in dict.fromkeys(names):
        attempt(Trial(name, EXAMPLE_QRELS, EXAMPLE_RANKINGS, 1), "")


def check_measures_on(dataset: Dataset, rankings: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    """Raise BenchError if one of the further measures cannot be computed on a dataset with these candidates."""
    for name in dict.fromkeys(names):
        where = f" on {dataset.name}"
        measure = named(name, dataset.relevance_level)
        reason = _level_too_high(measure, dataset) or _gdeval_cannot(measure, dataset)
        if reason:
            raise _refusal(name, where, reason)
        attempt(Trial(name, dataset.qrels, rankings, dataset.relevance_level), where)


def _refusal(name: str, where: str, reason: str) -> BenchError:
    return BenchError(f"the measure {name!r} cannot be computed{where}: {reason}; leave it out with its --measure")


def _level_too_high(measure: Any, dataset: Dataset) -> str | None:
    level = measure.params.get("rel", 1)
    if level <= dataset.highest_grade:
        return None
    return f"no document has a grade of {level} or more (the highest is {dataset.highest_grade})"


def _gdeval_cannot(measure: Any, dataset: Dataset) -> str | None:
    """Say what of the dataset the Perl script for ERR and exponential gains would refuse or, worse, misread."""
    if measure.NAME != "ERR" and measure.params.get("dcg") != "exp-log2":
        return None
    needs = "gdeval.pl, the program that computes it, needs {}, unlike {}"
    if dataset.highest_grade > GDEVAL_HIGHEST_GRADE:
        return needs.format(f"grades up to {GDEVAL_HIGHEST_GRADE}", dataset.highest_grade)
    for query_id in dataset.qrels:
        if not re.fullmatch("0|[1-9][0-9]*", query_id):
            return needs.format("numbers as query ids", repr(query_id))
    for document_id in [*dataset.documents, *(i for judged in dataset.qrels.values() for i in judged)]:
        if len(document_id.split()) != 1:
            return needs.format("document ids without spaces", repr(document_id))
    return None


def attempt(trial: Trial, where: str) -> None:
    """Run a trial in another process; BenchError with the reason if it does not end well."""
    command = [sys.executable, "-P", "-m", "bench.accuracy.trial"]
    try:
        ended = subprocess.run(  # noqa: S603  # fixed arguments; the measure's name goes to standard input
            command,
            input=msgspec.json.encode(trial),
            capture_output=True,
            timeout=LIMIT_S,
            env=import_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refusal(trial.name, where, f"a trial did not end within {LIMIT_S:g} s") from error
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {ended.returncode}"]
        raise _refusal(trial.name, where, said[-1][:LONGEST_REASON])


def main() -> int:
    """Run the trial on standard input; the exit code is 0 if the measure can be computed."""
    try:
        msgspec.json.decode(sys.stdin.buffer.read(), type=Trial).run()
    except BenchError as error:
        sys.stderr.write(" ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
