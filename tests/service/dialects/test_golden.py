"""Golden JSON of each dialect: a request as its clients send it, the job it is, the answer and the errors they read.

The files are written by hand from the contracts; `*` stands for an id or a time.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from service.api.error_handler import Dialect
from service.dialects import cohere, infinity, nim, tei, unified, vllm, voyage
from service.dialects.body import decode
from service.errors import EmptyInput, ModelFailed, NotReady, Overloaded, RerankError, Unauthorized
from service.job import Job, Ranked, Ranking, Stages, Usage

GOLDEN = Path(__file__).parent / "golden"
STAGES = Stages(tokenise_s=0.001, queue_s=0.002, inference_s=0.003, total_s=0.006)
USAGE = Usage(tokens=9, search_units=1, usd=None)
RANKED = Ranking(results=[Ranked(1, 0.75), Ranked(0, 0.25)], usage=USAGE, stages=STAGES)
SCORED = Ranking(results=[Ranked(0, 0.25), Ranked(1, 0.75)], usage=USAGE, stages=STAGES)
ERRORS: dict[str, RerankError] = {
    "empty": EmptyInput("documents: list of documents must not be empty", param="documents"),
    "unauthorized": Unauthorized("no"),
    "overloaded": Overloaded("full", retry_after_s=3),
    "model_failed": ModelFailed("broken", pair=1),
    "not_ready": NotReady("cold"),
}


class Spoken(NamedTuple):
    """How a golden file's dialect is spoken."""

    module: Dialect
    request: Any
    jobs: Callable[[Any], Sequence[Job]]
    answer: Callable[[Any], Any]


SPOKEN = {
    "unified": Spoken(
        unified, unified.RerankRequest, lambda r: [unified.job(r, 2)], lambda r: unified.answer(r, RANKED, "x")
    ),
    "cohere": Spoken(
        cohere, cohere.CohereRerankRequest, lambda r: [cohere.job(r, 2)], lambda r: cohere.answer(r, RANKED, "x")
    ),
    "tei": Spoken(tei, tei.TeiRerankRequest, lambda r: [tei.job(r, 2)], lambda r: tei.answer(r, RANKED)),
    "tei-text": Spoken(tei, tei.TeiRerankRequest, lambda r: [tei.job(r, 2)], lambda r: tei.answer(r, RANKED)),
    "predict": Spoken(tei, tei.PredictRequest, lambda r: tei.predict_jobs(r, 2), lambda r: tei.prediction(r, SCORED)),
    "infinity": Spoken(
        infinity,
        infinity.InfinityRerankRequest,
        lambda r: [infinity.job(r, 2)],
        lambda r: infinity.answer(r, RANKED, "x"),
    ),
    "vllm": Spoken(vllm, vllm.ScoreRequest, lambda r: vllm.jobs(r, 2), lambda r: vllm.answer(r, SCORED, "x")),
    "voyage": Spoken(
        voyage, voyage.VoyageRerankRequest, lambda r: [voyage.job(r, 2)], lambda r: voyage.answer(r, RANKED, "x")
    ),
    "nim": Spoken(nim, nim.RankingRequest, lambda r: [nim.job(r, 2)], lambda _: nim.answer(RANKED)),
}
every = pytest.mark.parametrize("name", SPOKEN)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def request_of(name: str) -> Any:
    return decode(json.dumps(golden(name)["request"]).encode(), SPOKEN[name].request)


def wire(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


def assert_same(found: Any, wanted: Any) -> None:
    """Equal, in the same order of fields, with anything where * stands."""
    if wanted == "*":
        assert found
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            assert_same(found[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    else:
        assert found == wanted
        assert type(found) is type(wanted)


def test_every_file_is_spoken() -> None:
    """No golden file lies about unread."""
    assert {path.stem for path in GOLDEN.iterdir()} == set(SPOKEN)


@every
def test_a_request_is_read(name: str) -> None:
    """Nulls, stringly booleans and unknown fields included."""
    spoken = SPOKEN[name]
    jobs = spoken.jobs(request_of(name))
    assert list(jobs) == [msgspec.convert(job, Job) for job in golden(name)["jobs"]]


@every
def test_an_answer_is_written(name: str) -> None:
    """Field by field, nothing more and nothing less."""
    assert_same(wire(SPOKEN[name].answer(request_of(name))), golden(name)["answer"])


@every
def test_errors_are_written(name: str) -> None:
    """With the dialect's own status and body."""
    module = SPOKEN[name].module
    for kind, (status, body) in golden(name)["errors"].items():
        assert module.status(ERRORS[kind]) == status, kind
        assert_same(wire(module.error_body(ERRORS[kind])), body)
