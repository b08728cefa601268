"""The `Server-Timing` header: where a rerank request's time went."""

from service.job import Stages


def server_timing(stages: Stages) -> str:
    """Write the stages in milliseconds, as W3C Server Timing has them (`dur`)."""
    durations_s = {
        "tokenise": stages.tokenise_s,
        "queue": stages.queue_s,
        "inference": stages.inference_s,
        "total": stages.total_s,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in durations_s.items())
