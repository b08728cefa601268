"""What a load test logs of the waits that a busy server asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from bench.load.refusals import EVERY_S, RefusalLog


def test_a_far_wait_is_logged_once_in_a_while() -> None:
    """Thousands of refusals are one line in thirty seconds; near waits, other statuses and nonsense are none."""
    told: list[str] = []
    now = [0.0]
    refusals = RefusalLog(told.append, lambda: now[0])
    for status, value in ((429, "4"), (500, "900"), (429, "soon"), (429, "-900"), (429, ""), (200, "900")):
        refusals.note(status, {"Retry-After": value})
    assert told == []
    for _ in range(1000):
        refusals.note(429, {"Retry-After": "900"})
    assert len(told) == 1
    assert "status 429) and asks to wait 900 s; the users of a load test do not wait" in told[0]
    now[0] = EVERY_S
    refusals.note(503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(days=3), usegmt=True)})
    assert "status 503) and asks to wait more than a day" in told[1]
