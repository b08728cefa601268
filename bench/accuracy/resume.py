"""Resuming a run: which queries have no ranking yet, and whether new rankings may be added to the file.

The dataset, the candidates, the dialect, the requested model and the model that the server reports must be those of the
first session; otherwise the error names the difference. The URL may differ, since a server may have moved.
"""

from pathlib import Path
from typing import Any

from bench.accuracy.rankings import Rankings
from bench.accuracy.selection import Selection
from bench.candidates.candidates import Candidates
from bench.data.datasets import Dataset
from bench.errors import ContestantError, DataError
from bench.records import ContestantNote

SAME_MODEL = ("model_id", "model_sha", "model_dtype", "artefact_sha256")
"""Fields of GET /info that identify the model."""
ELSEWHERE = "use another --results folder, or give this contestant another NAME"


def missing(selection: Selection, candidates: Candidates, rankings: Rankings | None) -> list[str]:
    """Return the queries with candidates but no ranking: first those never sent, then failed ones, oldest first.

    In this order every repetition of a run makes progress, however many queries keep failing.
    """
    ranked = rankings.rankings if rankings else {}
    failed = {query_id: index for index, query_id in enumerate(rankings.failures if rankings else ())}
    unranked = [i for i in selection.query_ids if candidates.lists[i] and i not in ranked]
    return sorted(unranked, key=lambda query_id: failed.get(query_id, -1))


def check_same_run(
    path: Path, rankings: Rankings | None, contestant: ContestantNote, dataset: Dataset, candidates: Candidates
) -> None:
    """Raise DataError or ContestantError if the rankings in `path` belong to another run."""
    if rankings is None:
        return
    header = rankings.headers[0]
    if (header.dataset.sha256, header.dataset.split) != (dataset.sha256, dataset.split):
        raise DataError(f"{path} contains rankings for another version or split of {dataset.name}; {ELSEWHERE}")
    if header.candidates.sha256 != candidates.sha256:
        raise DataError(
            f"{path} contains rankings of other candidates ({header.candidates.source}, top {header.candidates.depth}, "
            f"sha256 {header.candidates.sha256[:12]}, not {candidates.sha256[:12]}); {ELSEWHERE}"
        )
    before = header.contestant
    if (before.dialect, before.model) != (contestant.dialect, contestant.model):
        raise ContestantError(
            f"{path} contains rankings by {before.dialect} with model {before.model}, "
            f"not by {contestant.dialect} with model {contestant.model}; {ELSEWHERE}"
        )


def check_same_server(path: Path, rankings: Rankings | None, server: dict[str, Any] | None) -> None:
    """Raise ContestantError if the server reports another model than the one whose rankings are in `path`."""
    for key, old in _model_before(rankings).items():
        new = (server or {}).get(key)
        if new is not None and old != new:
            raise ContestantError(f"{path} contains rankings by {key} {old}, but the server now has {new}; {ELSEWHERE}")


def model_sentence(rankings: Rankings, server: dict[str, Any] | None, url: str) -> str:
    """Say whether the server is known to have the model of the rankings still, after `check_same_server`."""
    if any((server or {}).get(key) == old for key, old in _model_before(rankings).items()):
        return f"{url} still has the same model"
    return f"whether {url} still has the same model is not known, because its /info does not answer or does not say"


def _model_before(rankings: Rankings | None) -> dict[str, Any]:
    """Return what the server first reported of its model, by field of /info."""
    servers = [header.provenance.server or {} for header in rankings.headers] if rankings else []
    reported = {key: [server[key] for server in servers if server.get(key) is not None] for key in SAME_MODEL}
    return {key: values[0] for key, values in reported.items() if values}
