"""Golden JSON of each dialect: a request as its clients send it, the job it is, the answer and the errors they read.

The files are written by hand from the contracts; `*` stands for an id or a time.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.dialects.catalogue import DIALECTS
from service.dialects.dialect import Dialect
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


BY_NAME: dict[str, Dialect[Any]] = {choice.name: choice for dialect in DIALECTS for choice in dialect.choices}
FILES = sorted(path.stem for path in GOLDEN.iterdir())
every = pytest.mark.parametrize("file", FILES)


def golden(file: str) -> Any:
    return json.loads((GOLDEN / f"{file}.json").read_text())


def dialect_of(file: str) -> Dialect[Any]:
    return BY_NAME[file.partition("-")[0]]


def request_of(file: str) -> Any:
    return dialect_of(file).decode(json.dumps(golden(file)["request"]).encode())


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


def test_every_dialect_has_a_file() -> None:
    """And every file is some dialect's, by its name up to a hyphen."""
    assert {file.partition("-")[0] for file in FILES} == set(BY_NAME)


@every
def test_a_request_is_read(file: str) -> None:
    """Nulls, stringly booleans and unknown fields included."""
    jobs = dialect_of(file).to_jobs(request_of(file), 2)
    assert jobs == [msgspec.convert(job, Job) for job in golden(file)["jobs"]]


@every
def test_an_answer_is_written(file: str) -> None:
    """Field by field, nothing more and nothing less."""
    dialect = dialect_of(file)
    ranking = RANKED if dialect.ranks else SCORED
    assert_same(wire(dialect.to_response(request_of(file), ranking, "x")), golden(file)["answer"])


@every
def test_errors_are_written(file: str) -> None:
    """With the dialect's own status and body."""
    dialect = dialect_of(file)
    for kind, (status, body) in golden(file)["errors"].items():
        assert dialect.status(ERRORS[kind]) == status, kind
        assert_same(wire(dialect.error_body(ERRORS[kind])), body)
