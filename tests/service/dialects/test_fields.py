"""What the dialects' requests have in common, and how the union and the pair dialects read theirs."""

import json
from typing import Any

import msgspec
import pytest

from service.dialects.body import decode
from service.dialects.cohere import COHERE
from service.dialects.dialect import Dialect
from service.dialects.either import EITHER
from service.dialects.fields import Document, document_object, document_texts
from service.dialects.infinity import INFINITY, InfinityRerankRequest
from service.dialects.nim import NIM, NimText, RankingRequest
from service.dialects.tei import TEI, TeiRerankRequest
from service.dialects.tei_predict import TEI_PREDICT, Prediction, PredictRequest
from service.dialects.unified import UNIFIED, RerankRequest
from service.dialects.vllm import VLLM, ScoreRequest
from service.dialects.voyage import VOYAGE, VoyageRerankRequest
from service.errors import EmptyInput, InternalError, InvalidRequest, MalformedBody
from service.job import Job, Ranked, Ranking, Stages, Usage

STAGES = Stages(tokenise_s=0.0011, queue_s=0.0024, inference_s=0.0036, total_s=0.0071)


def ranking(usd: float | None = None) -> Ranking:
    usage = Usage(tokens=1200, search_units=2, usd=usd)
    return Ranking(results=[Ranked(1, 0.75), Ranked(0, 0.25)], usage=usage, stages=STAGES)


def unified_job(**fields: Any) -> Job:
    body = {"query": "q", "documents": ["a"]} | fields
    return job(UNIFIED, decode(json.dumps(body).encode(), RerankRequest))


def job(dialect: Dialect[Any], request: Any) -> Job:
    """The one job of a ranking request."""
    (only,) = dialect.to_jobs(request, 9)
    return only


def test_documents_are_strings_or_objects_with_text() -> None:
    """In their order; other fields of an object count for nothing."""
    assert document_texts(["a", {"text": "b", "title": "t"}, {"text": ""}], None) == ["a", "b", ""]


def test_rank_fields_choose_the_fields_and_their_order() -> None:
    """A line each; a missing or null one is left out, numbers and lists are written as JSON."""
    documents: list[Document] = [
        {"title": "t", "text": "b", "year": 1999, "tags": ["x"]},
        {"text": None, "title": "only"},
        "plain",
    ]
    assert document_texts(documents, ["title", "text", "year", "tags"]) == ['t\nb\n1999\n["x"]', "only", "plain"]


@pytest.mark.parametrize(
    ("documents", "rank_fields", "message"),
    [
        ([{"title": "t"}], None, "documents[0]: an object needs `text`, or rank_fields"),
        (["a", {"text": None}], None, "documents[1]: an object needs `text`"),
        ([{"text": 7}], None, "documents[0].text: expected str"),
        ([{"text": "b"}], ["title", "name"], "documents[0]: an object needs title or name"),
        ([{"text": "b"}], [], None),
    ],
)
def test_an_object_without_anything_to_rank_by_is_named(
    documents: list[Any], rank_fields: list[str] | None, message: str | None
) -> None:
    """By its index, with what it would need; no fields named are none."""
    if message is None:
        assert document_texts(documents, rank_fields) == ["b"]
        return
    with pytest.raises(InvalidRequest) as told:
        document_texts(documents, rank_fields)
    assert told.value.message.startswith(message)


def test_an_object_comes_back_with_all_its_fields_and_surely_a_text() -> None:
    """The text that it was ranked by, where it has none of its own."""
    assert document_object("a", None) == {"text": "a"}
    assert document_object({"text": "b", "title": "t"}, None) == {"text": "b", "title": "t"}
    assert document_object({"title": "t", "text": None}, ["title"]) == {"text": "t", "title": "t"}
    assert document_object({"title": "t", "text": 7}, ["title"]) == {"text": "t", "title": "t"}
    assert document_object({"title": "t", "text": "own"}, ["title"]) == {"text": "own", "title": "t"}


@pytest.mark.parametrize("top_n", [None, 0, "0"])
def test_no_top_n_means_all(top_n: Any) -> None:
    """Absent, null and 0 alike."""
    assert unified_job(top_n=top_n).top_n is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top_n": -1}, "top_n: must be 0 (for all) or more, not -1"),
        ({"max_chunks_per_doc": 0}, "max_chunks_per_doc: must be 1"),
        ({"overlap_tokens": -2}, "overlap_tokens: must be 0"),
        ({"max_tokens_per_doc": -3}, "max_tokens_per_doc: must be 0"),
        ({"query": " \n"}, "query: must not be empty"),
        ({"documents": []}, "documents: list of documents must not be empty"),
        ({"documents": [{}] * 10}, "the request has 10 documents, but at most 9 are allowed"),
    ],
)
def test_numbers_and_texts_out_of_bounds_are_named(fields: dict[str, Any], message: str) -> None:
    """With the field and the value."""
    with pytest.raises(InvalidRequest) as told:
        unified_job(**fields)
    assert told.value.message.startswith(message)
    assert told.value.param == next(iter(fields))


def test_cost_is_told_where_the_model_has_a_price() -> None:
    """In dollars beside the tokens; without a price the field is left out."""
    request = RerankRequest(query="q", documents=["a", "b"])
    priced = UNIFIED.to_response(request, ranking(usd=0.000024), "m")
    assert (priced.usage.cost_usd, priced.meta.billed_units.search_units) == (0.000024, 2)
    assert b"cost" not in json.dumps(str(UNIFIED.to_response(request, ranking(), "m").usage.cost_usd)).encode()


def test_without_a_name_the_served_models_is_told() -> None:
    """An empty one is none."""
    for name in (None, ""):
        assert (
            UNIFIED.to_response(RerankRequest(query="q", documents=["a", "b"], model=name), ranking(), "m").model == "m"
        )


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ('{"query": "q", "texts": ["a"]}', TEI),
        ('{"query": "q", "texts": ["a"], "documents": null}', TEI),
        ('{"query": "q", "documents": ["a"]}', UNIFIED),
        ('{"query": "q", "documents": ["a"], "texts": null}', UNIFIED),
        ('{"query": "q", "documents": ["a"], "texts": ["b"]}', UNIFIED),
        ('{"texts": 7}', TEI),
        ('{"documents": []}', UNIFIED),
    ],
)
def test_the_body_tells_the_dialect_of_rerank(body: str, dialect: Dialect[Any]) -> None:
    """By the field that it has; null is none."""
    assert EITHER.choose(body.encode()) is dialect


def test_a_body_of_neither_dialect_is_told_both() -> None:
    """And what is not JSON is no body at all."""
    with pytest.raises(InvalidRequest, match="send documents, or texts"):
        EITHER.choose(b'{"query": "q"}')
    with pytest.raises(MalformedBody):
        EITHER.choose(b"{")


def vllm_jobs(**fields: Any) -> list[tuple[str, list[str]]]:
    jobs = VLLM.to_jobs(decode(json.dumps(fields).encode(), ScoreRequest), 3)
    return [(job.query, job.documents) for job in jobs]


@pytest.mark.parametrize(
    ("fields", "jobs"),
    [
        ({"text_1": "q", "text_2": "a"}, [("q", ["a"])]),
        ({"text_1": "q", "text_2": ["a", "b"]}, [("q", ["a", "b"])]),
        ({"text_1": ["q"], "text_2": ["a", "b"]}, [("q", ["a", "b"])]),
        ({"text_1": ["q", "q", "r"], "text_2": ["a", "b", "c"]}, [("q", ["a", "b"]), ("r", ["c"])]),
        ({"queries": "q", "documents": ["a", "b"]}, [("q", ["a", "b"])]),
    ],
)
def test_texts_are_paired(fields: dict[str, Any], jobs: list[tuple[str, list[str]]]) -> None:
    """One with each, or each with its own; those of one query in a row are one job."""
    assert vllm_jobs(**fields) == jobs


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text_1": ["q", "r"], "text_2": ["a", "b", "c"]}, "text_1: 2 texts cannot be paired with the 3 of text_2"),
        ({"text_1": ["q", "r"], "text_2": "a"}, "text_1: 2 texts cannot be paired with the 1 of text_2"),
        ({"text_1": "q"}, "text_2: is missing"),
        ({"text_2": "a"}, "text_1: is missing"),
        ({"queries": ["q", "r"], "documents": ["a"]}, "queries: 2 texts cannot be paired with the 1 of documents"),
        ({"text_1": "q", "text_2": ["a", "b", "c", "d"]}, "the request has 4 documents, but at most 3 are allowed"),
        ({"text_1": [], "text_2": ["a"]}, "text_1: list of text_1 must not be empty"),
        ({"text_1": ["q", ""], "text_2": ["a", "b"]}, "text_1: must not be empty"),
    ],
)
def test_texts_that_cannot_be_paired_are_refused(fields: dict[str, Any], message: str) -> None:
    """With both counts."""
    with pytest.raises(InvalidRequest) as told:
        vllm_jobs(**fields)
    assert told.value.message.startswith(message)


def predict(inputs: Any) -> PredictRequest:
    request: PredictRequest = decode(json.dumps({"inputs": inputs}).encode(), PredictRequest)
    return request


def test_a_lone_pair_is_answered_with_a_list_and_several_with_lists() -> None:
    """As text-embeddings-inference does."""
    one = Ranking(results=[Ranked(0, 0.5)], usage=Usage(tokens=1, search_units=1, usd=None), stages=STAGES)
    assert TEI_PREDICT.to_response(predict(["q", "a"]), one, "m") == [Prediction(score=0.5, label="LABEL_0")]
    assert TEI_PREDICT.to_response(predict([["q", "a"]]), one, "m") == [[Prediction(score=0.5, label="LABEL_0")]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("alone", "inputs: a reranker scores pairs"),
        ([["q", "a"], "alone"], "inputs[1]: a reranker scores pairs"),
        ([["q", "a"], ["alone"]], "inputs[1]: a reranker scores pairs"),
        (["q", "a", "b"], "inputs: a reranker scores pairs"),
        ([["q", "a"]] * 4, "the request has 4 documents, but at most 3 are allowed"),
        ([], "inputs: list of inputs must not be empty"),
        ("", "inputs: list of inputs must not be empty"),
        ([["", "a"]], "query: must not be empty"),
    ],
)
def test_what_is_no_pair_is_refused(inputs: Any, message: str) -> None:
    """By its place."""
    with pytest.raises(InvalidRequest) as told:
        TEI_PREDICT.to_jobs(predict(inputs), 3)
    assert told.value.message.startswith(message)


def test_stage_times_stand_in_teis_headers() -> None:
    """Whole milliseconds; characters count the query once for each text."""
    headers = TEI.headers([Job(query="ab", documents=["c", "défg"])], ranking(), "cuda")
    assert headers == {
        "x-compute-type": "gpu",
        "x-compute-time": "7",
        "x-compute-characters": "9",
        "x-compute-tokens": "1200",
        "x-total-time": "7",
        "x-tokenization-time": "1",
        "x-queue-time": "2",
        "x-inference-time": "4",
    }


def test_only_an_explicit_no_forbids_to_cut() -> None:
    """Voyage's false, NIM's NONE, text-embeddings-inference's false; null and absent cut."""
    cut = {"query": "q", "documents": ["a"]}
    for value, truncate in ((None, True), (True, True), (False, False)):
        assert job(VOYAGE, VoyageRerankRequest(**cut, truncation=value)).truncate is truncate  # type: ignore[arg-type]
        assert job(TEI, TeiRerankRequest(query="q", texts=["a"], truncate=value)).truncate is truncate
    text = NimText(text="a")
    jobs = {
        side: job(NIM, RankingRequest(query=text, passages=[text], truncate=side))
        for side in (None, "END", "START", "NONE")
    }
    assert {side: (job.truncate, job.truncation_side) for side, job in jobs.items()} == {
        None: (True, "right"), "END": (True, "right"), "START": (True, "left"), "NONE": (False, "right"),
    }  # fmt: skip


def test_the_side_that_is_cut_is_read_in_either_case() -> None:
    """text-embeddings-inference's clients write it both ways."""
    for side in ("left", "Left", "right", "Right", None):
        request: TeiRerankRequest = decode(
            json.dumps({"query": "q", "texts": ["a"], "truncation_direction": side}).encode(), TeiRerankRequest
        )
        assert job(TEI, request).truncation_side == (side or "right").lower()


def test_a_count_is_named_as_the_dialect_names_it() -> None:
    """Voyage's is top_k."""
    with pytest.raises(InvalidRequest) as told:
        job(VOYAGE, VoyageRerankRequest(query="q", documents=["a"], top_k=-1))
    assert told.value.param == "top_k"
    assert job(INFINITY, InfinityRerankRequest(query="q", documents=["a"], raw_scores=True)).raw_scores


def test_empty_input_is_told_apart_only_where_the_dialect_does() -> None:
    """400 for text-embeddings-inference and Cohere, 422 for the others."""
    empty, wrong = EmptyInput("e"), InvalidRequest("w")
    dialects: tuple[Dialect[Any], ...] = (TEI, COHERE, VLLM, UNIFIED)
    assert [dialect.status(empty) for dialect in dialects] == [400, 400, 400, 422]
    assert [dialect.status(wrong) for dialect in dialects] == [422, 400, 400, 422]
    assert msgspec.to_builtins(TEI.error_body(wrong))["error_type"] == "Validation"
    assert msgspec.to_builtins(TEI.error_body(InternalError("bug")))["error_type"] == "Backend"
