"""Whether raw rankings that are there may be added to: only like is added to like.

The dataset, the candidates, the dialect, the model asked for and the model that the server names must be those of the
first session; otherwise one sentence says what differs. The URL may differ, since a server may come back elsewhere.
"""

from pathlib import Path
from typing import Any

from bench.accuracy.rankings import Rankings
from bench.candidates.candidates import Candidates
from bench.data.datasets import Dataset
from bench.errors import ContestantError, DataError
from bench.records import ContestantNote

SAME_MODEL = ("model_id", "model_sha", "model_dtype", "artefact_sha256")
"""Fields of GET /info that say which model it is."""
ELSEWHERE = "give another --results folder, or this contestant another NAME"


def check(
    path: Path, there: Rankings | None, contestant: ContestantNote, dataset: Dataset, candidates: Candidates
) -> None:
    """Raise DataError or ContestantError where `there`, read from `path`, is of something else."""
    if there is None:
        return
    header = there.headers[0]
    if (header.dataset.sha256, header.dataset.split) != (dataset.sha256, dataset.split):
        raise DataError(f"{path} holds rankings of another version or split of {dataset.name}; {ELSEWHERE}")
    if header.candidates.sha256 != candidates.sha256:
        raise DataError(
            f"{path} holds rankings of other candidates ({header.candidates.source}, top {header.candidates.depth}, "
            f"sha256 {header.candidates.sha256[:12]}, not {candidates.sha256[:12]}); {ELSEWHERE}"
        )
    before = header.contestant
    if (before.dialect, before.model) != (contestant.dialect, contestant.model):
        raise ContestantError(
            f"{path} holds rankings of {before.dialect} with model {before.model}, "
            f"not of {contestant.dialect} with model {contestant.model}; {ELSEWHERE}"
        )


def check_server(path: Path, there: Rankings | None, server: dict[str, Any] | None) -> None:
    """Raise ContestantError where the server now names another model than the one whose rankings are `there`."""
    before = there.headers[0].provenance.server if there else None
    for key in SAME_MODEL:
        old, new = (before or {}).get(key), (server or {}).get(key)
        if old is not None and new is not None and old != new:
            raise ContestantError(f"{path} holds rankings of {key} {old}, and the server now has {new}; {ELSEWHERE}")
