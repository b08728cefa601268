"""The `Server-Timing` header: the time that a rerank request spent in each stage."""

from service.job import Stages


def server_timing(stages: Stages) -> str:
    """Format the stages in milliseconds, as specified by W3C Server Timing (`dur`)."""
    durations_s = {
        "tokenise": stages.tokenise_s,
        "queue": stages.queue_s,
        "inference": stages.inference_s,
        "total": stages.total_s,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in durations_s.items())
