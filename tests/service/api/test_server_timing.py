"""The header that tells where a request's time went."""

from service.api.server_timing import server_timing
from service.job import Stages


def test_stage_times_are_milliseconds() -> None:
    """As W3C's Server Timing has them."""
    assert server_timing(Stages(tokenise_s=1, queue_s=2, inference_s=4, total_s=8)) == (
        "tokenise;dur=1000.000, queue;dur=2000.000, inference;dur=4000.000, total;dur=8000.000"
    )
