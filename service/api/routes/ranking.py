"""The routes that rank and score: one handler a dialect, all through the same Job and Ranking.

A handler names the shape of its body (`data`) and of its answer, from which the OpenAPI document is made.
"""

from typing import Annotated

from litestar import Response, post
from litestar.di import NamedDependency

from service.api.metrics import server_timing
from service.api.request import JsonRequest
from service.api.request_handler import RequestHandler
from service.api.routes.described import BEST, RANKED, SCORED, body_like, documented, ranking_route
from service.dialects import cohere, either, infinity, nim, tei, unified, vllm, voyage
from service.dialects.result import RerankResponse
from service.job import Ranking

RerankAnswer = RerankResponse | list[tei.Rank]
Predictions = list[tei.Prediction] | list[list[tei.Prediction]]
EITHER_ERRORS = documented(either, tei, unified, body=either.EitherErrors)
AtDesk = NamedDependency[RequestHandler]
MODEL = "embedded"
"""What the examples are answered by."""


def _timed(ranking: Ranking) -> dict[str, str]:
    return {"Server-Timing": server_timing(ranking.stages)}


@post(
    "/v1/rerank",
    summary="Rerank: Jina, Cohere v1, Infinity, vLLM, Xinference",
    **ranking_route(unified, RerankResponse, unified.answer(unified.EXAMPLE, BEST, MODEL)),
)
async def rerank(
    data: Annotated[unified.RerankRequest, body_like(unified.EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[RerankResponse]:
    """Order documents by their relevance to a query, best first."""
    ranking = await desk.rerank(request, unified.job(data, desk.max_documents))
    return Response(unified.answer(data, ranking, desk.served.name), headers=_timed(ranking))


@post(
    "/rerank",
    summary="Rerank: text-embeddings-inference, or as /v1/rerank",
    **ranking_route(
        either,
        RerankAnswer,
        tei.answer(tei.EXAMPLE, RANKED),
        unified.answer(unified.EXAMPLE, BEST, MODEL),
        errors=EITHER_ERRORS,
    ),
)
async def rerank_either(
    data: Annotated[either.TextsOrDocuments, body_like(tei.EXAMPLE, unified.EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[RerankAnswer]:
    """Answer a body with `texts` as text-embeddings-inference does, one with `documents` as `/v1/rerank` does."""
    asked = data.request
    if isinstance(asked, unified.RerankRequest):
        ranking = await desk.rerank(request, unified.job(asked, desk.max_documents))
        return Response(unified.answer(asked, ranking, desk.served.name), headers=_timed(ranking))
    job = tei.job(asked, desk.max_documents)
    ranking = await desk.rerank(request, job)
    headers = tei.headers([job], ranking, desk.served.info.device)
    return Response(tei.answer(asked, ranking), headers=headers | _timed(ranking))


@post(
    "/predict",
    summary="Score pairs: text-embeddings-inference",
    **ranking_route(
        tei,
        Predictions,
        tei.prediction(tei.PREDICT_EXAMPLE, SCORED),
        errors=documented(tei, names_model=False),
    ),
)
async def predict(
    data: Annotated[tei.PredictRequest, body_like(tei.PREDICT_EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[Predictions]:
    """Score a pair, or each of several, in their order."""
    jobs = tei.predict_jobs(data, desk.max_documents)
    ranking = await desk.score(request, jobs)
    headers = tei.headers(jobs, ranking, desk.served.info.device)
    return Response(tei.prediction(data, ranking), headers=headers | _timed(ranking))


@post(
    "/v2/rerank",
    summary="Rerank: Cohere v2",
    **ranking_route(cohere, RerankResponse, cohere.answer(cohere.EXAMPLE, BEST, MODEL)),
)
async def cohere_rerank(
    data: Annotated[cohere.CohereRerankRequest, body_like(cohere.EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[RerankResponse]:
    """Order documents by their relevance to a query, best first."""
    ranking = await desk.rerank(request, cohere.job(data, desk.max_documents))
    return Response(cohere.answer(data, ranking, desk.served.name), headers=_timed(ranking))


@post(
    "/infinity/rerank",
    summary="Rerank: Infinity to the letter",
    **ranking_route(infinity, infinity.InfinityRerankResponse, infinity.answer(infinity.EXAMPLE, RANKED, MODEL)),
)
async def infinity_rerank(
    data: Annotated[infinity.InfinityRerankRequest, body_like(infinity.EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[infinity.InfinityRerankResponse]:
    """Order documents by their relevance to a query, best first; a returned document is a plain string."""
    ranking = await desk.rerank(request, infinity.job(data, desk.max_documents))
    return Response(infinity.answer(data, ranking, desk.served.name), headers=_timed(ranking))


@post(
    ["/v1/score", "/score"],
    summary="Score pairs: vLLM",
    **ranking_route(vllm, vllm.ScoreResponse, vllm.answer(vllm.EXAMPLE, SCORED, MODEL)),
)
async def score(
    data: Annotated[vllm.ScoreRequest, body_like(vllm.EXAMPLE)], request: JsonRequest, desk: AtDesk
) -> Response[vllm.ScoreResponse]:
    """Score one text against many, or as many against as many, in their order."""
    ranking = await desk.score(request, vllm.jobs(data, desk.max_documents))
    return Response(vllm.answer(data, ranking, desk.served.name), headers=_timed(ranking))


@post(
    "/voyage/v1/rerank",
    summary="Rerank: Voyage",
    **ranking_route(voyage, voyage.VoyageRerankResponse, voyage.answer(voyage.EXAMPLE, BEST, MODEL)),
)
async def voyage_rerank(
    data: Annotated[voyage.VoyageRerankRequest, body_like(voyage.EXAMPLE)],
    request: JsonRequest,
    desk: AtDesk,
) -> Response[voyage.VoyageRerankResponse]:
    """Order documents by their relevance to a query, best first."""
    ranking = await desk.rerank(request, voyage.job(data, desk.max_documents))
    return Response(voyage.answer(data, ranking, desk.served.name), headers=_timed(ranking))


@post("/v1/ranking", summary="Rerank: NVIDIA NIM", **ranking_route(nim, nim.RankingResponse, nim.answer(RANKED)))
async def nim_ranking(
    data: Annotated[nim.RankingRequest, body_like(nim.EXAMPLE)], request: JsonRequest, desk: AtDesk
) -> Response[nim.RankingResponse]:
    """Order passages by their relevance to a query, best first; scores are logits."""
    ranking = await desk.rerank(request, nim.job(data, desk.max_documents))
    return Response(nim.answer(ranking), headers=_timed(ranking))


RANKING_ROUTES = [
    rerank,
    rerank_either,
    predict,
    cohere_rerank,
    infinity_rerank,
    score,
    voyage_rerank,
    nim_ranking,
]
