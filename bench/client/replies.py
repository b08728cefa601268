"""What a reply holds beside its ranking: stage times and counts in its headers, the reason for a refusal in its body.

Read leniently, because none of it is needed for a ranking: what cannot be read is left out.
"""

import json
from collections.abc import Mapping
from typing import Any

REASON_LENGTH = 200


def stage_times_ms(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, float]:
    """Stage to milliseconds: of Server-Timing, else of the dialect's `own` headers (header to stage)."""
    texts = {stage: headers.get(header, "") for header, stage in own.items()}
    return server_timing_ms(headers.get("Server-Timing", "")) or {
        stage: float(text) for stage, text in texts.items() if text.replace(".", "", 1).isdecimal()
    }


def server_timing_ms(header: str) -> dict[str, float]:
    """Stage durations of a Server-Timing header (`name;dur=1.5, …`); stages without a readable one are left out."""
    stages: dict[str, float] = {}
    for stage in header.split(","):
        name, *parameters = (part.strip() for part in stage.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "dur" and value.strip(' "').replace(".", "", 1).isdecimal():
                stages[name] = float(value.strip(' "'))
    return stages


def count(headers: Mapping[str, str], header: str | None) -> int | None:
    """The whole number in `header`; None where there is none."""
    text = headers.get(header, "") if header else ""
    return int(text) if text.isdecimal() else None


def refusal(status: int, body: bytes, key: str | None) -> str:
    """What is wrong where the status is not 200, without the key, which some servers repeat as they refuse it."""
    return f"status {status}: {reason(body.replace(key.encode(), b'(the key)') if key else body)}"


def reason(body: bytes) -> str:
    """The server's own words: `message`, `detail` or `error` of a JSON body, else its text, cut short."""
    text = body.decode(errors="replace").strip()
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        text = _words(next((answer[key] for key in ("message", "detail", "error") if answer.get(key)), text))
    return " ".join(text.split())[:REASON_LENGTH] or "(no text)"


def _words(message: Any) -> str:
    """A message may be an object with a `message` (OpenAI) or a list of errors, each with a `msg` (FastAPI)."""
    if isinstance(message, dict):
        return str(message.get("message") or message)
    if isinstance(message, list) and message and all(isinstance(entry, dict) and "msg" in entry for entry in message):
        return "; ".join(f"{'.'.join(map(str, entry.get('loc', ())))}: {entry['msg']}" for entry in message)
    return str(message)
