"""Reads what a reply contains besides its ranking: stage times and counts in headers, the error message in the body.

Parsing is lenient, because none of this is needed for a ranking: unreadable values are left out.
"""

import json
from collections.abc import Mapping
from typing import Any

import httpx

REASON_LENGTH = 200


def stage_times_ms(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, float]:
    """Return milliseconds by stage from Server-Timing, or else from the dialect's `own` headers (header to stage)."""
    texts = {stage: headers.get(header, "") for header, stage in own.items()}
    return server_timing_ms(headers.get("Server-Timing", "")) or {
        stage: float(text) for stage, text in texts.items() if text.replace(".", "", 1).isdecimal()
    }


def server_timing_ms(header: str) -> dict[str, float]:
    """Return the durations in a Server-Timing header (`name;dur=1.5, …`); unreadable ones are left out."""
    stages: dict[str, float] = {}
    for stage in header.split(","):
        name, *parameters = (part.strip() for part in stage.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "dur" and value.strip(' "').replace(".", "", 1).isdecimal():
                stages[name] = float(value.strip(' "'))
    return stages


def count(headers: Mapping[str, str], header: str | None) -> int | None:
    """Return the whole number in `header`; None if there is none."""
    text = headers.get(header, "") if header else ""
    return int(text) if text.isdecimal() else None


def server_info(response: httpx.Response) -> dict[str, Any] | None:
    """Return the server's own information; None if this is no such answer: an error's body says nothing of it."""
    if response.status_code != httpx.codes.OK:
        return None
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def unreachable(url: str, why: str) -> str:
    """Return the sentence for a server that cannot be reached."""
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return f"the certificate at {url} is not trusted ({why}); set SSL_CERT_FILE to the one of its authority"
    if "WRONG_VERSION_NUMBER" in why:
        return f"the server at {url} does not encrypt its connections ({why}); give http:// instead of https://"
    return f"no server answers at {url} ({why}); start one with `rerank serve`"


def refusal(status: int, body: bytes, key: str | None) -> str:
    """Describe an answer whose status is not 200, without the key, which some servers repeat in their message."""
    return f"status {status}: {reason(body.replace(key.encode(), b'(the key)') if key else body)}"


def reason(body: bytes) -> str:
    """Return the server's message: `message`, `detail` or `error` of a JSON body, else its text, shortened."""
    text = body.decode(errors="replace").strip()
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        text = _words(next((answer[key] for key in ("message", "detail", "error") if answer.get(key)), text))
    return " ".join(text.split())[:REASON_LENGTH] or "(no text)"


def _words(message: Any) -> str:
    """Return the text of a message, which may be an object with `message` (OpenAI) or a list with `msg` (FastAPI)."""
    if isinstance(message, dict):
        return str(message.get("message") or message)
    if isinstance(message, list) and message and all(isinstance(entry, dict) and "msg" in entry for entry in message):
        return "; ".join(f"{'.'.join(map(str, entry.get('loc', ())))}: {entry['msg']}" for entry in message)
    return str(message)
