"""Holds a process to this machine: no client may send a byte elsewhere, be it telemetry, price lists or a default URL.

`settings` is the environment that switches such things off; `hold` makes what is left of them fail, and notes it. It
sees Python's own sockets, which are all that the clients use in the tests' process.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = {"127.0.0.1", "::1", "localhost", ""}
QUIET = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "NO_PROXY": "*",
    "TRANSFORMERS_OFFLINE": "1",
}
"""Offline and silent."""
_FOREIGN = ("_API_KEY", "_API_BASE", "_BASE_URL", "_PROXY", "_TOKEN")


class LeftTheMachine(OSError):
    """Somebody wanted to speak to another machine."""


def settings(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without anybody's keys, addresses and proxies, and with everything quiet."""
    return {name: value for name, value in environ.items() if not name.upper().endswith(_FOREIGN)} | QUIET


def quieten() -> None:
    """Give this process such an environment."""
    kept = settings(os.environ)
    os.environ.clear()
    os.environ.update(kept)


def hold(asked: list[str], note: Path | None = None) -> None:
    """Let this process connect to this machine alone.

    Args:
        asked: where the names of others that were asked for are written.
        note: a file to which they are written too, for a process whose list nobody sees.
    """
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: object) -> None:
        if (name := _elsewhere(host)) is not None:
            asked.append(name)
            if note is not None:
                note.write_text("\n".join(asked))
            raise LeftTheMachine(f"the clients' tests stay on this machine, but {name} was asked for")

    def connect_here(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def connect_ex_here(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    def look_up_here(host: Any, *arguments: Any, **named: Any) -> Any:
        check(host)
        return look_up(host, *arguments, **named)

    socket.socket.connect = connect_here  # type: ignore[assignment, method-assign]
    socket.socket.connect_ex = connect_ex_here  # type: ignore[assignment, method-assign]
    socket.getaddrinfo = look_up_here


def _elsewhere(where: object) -> str | None:
    """The name of another machine in a host or a socket's address; None: it is this machine, or a path on it."""
    host = where[0] if isinstance(where, tuple) else where
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    return None if name in HERE or name.startswith(("/", "\0")) else name
