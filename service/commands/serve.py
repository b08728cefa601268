"""`rerank serve`: load, listen, warm up, serve until SIGTERM or Ctrl-C, finish what is in flight, exit with 0.

The artefact is loaded and checked and the port is bound before anything is served, so what cannot work is told at once.
"""

import contextlib
import logging
import signal
import socket
from typing import NoReturn

import click
import uvicorn

from models import catalog
from models.artefact import ArtefactError
from models.scorer import Scorer
from service.app import DOCS, create_app
from service.commands.settings_flags import settings_flags
from service.settings import Settings, SettingsError, load
from service.telemetry import configure_logging

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Longer than the 60 s after which load balancers drop idle connections, so that they close them and not we."""
BACKLOG = 2048
"""Connections that may wait in the kernel to be accepted."""


@click.command()
@settings_flags()
def serve(**flags: str | None) -> None:
    """Serve a model over HTTP. Every flag is also an environment variable, named in brackets."""
    # While the model loads, these end the process at once (as process 1 of a container it would else not hear them);
    # uvicorn takes them over, drains, and then raises them again, which ends the process here.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)
    try:
        settings = load(flags)
        configure_logging(settings.log_level)
        scorer = open_scorer(settings)
        listener = _listen(settings.host, settings.port)
    except (SettingsError, ArtefactError) as error:
        raise click.UsageError(str(error)) from None
    failure = _run(scorer, settings, listener)
    if failure is not None:
        raise click.UsageError(str(failure))


def open_scorer(settings: Settings) -> Scorer:
    """Find and load the model that the settings name; raise ArtefactError."""
    return Scorer.open(
        catalog.find(settings.model, settings.models_dir),
        device=settings.device,
        threads=settings.threads,
        max_tokens=settings.max_tokens or None,
        max_batch_tokens=settings.max_batch_tokens or None,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}; --port takes another port"
        ) from None


def _run(scorer: Scorer, settings: Settings, listener: socket.socket) -> ArtefactError | None:
    """Serve until told to stop; return why the warm-up failed, if it did."""
    failures: list[ArtefactError] = []

    def give_up(error: ArtefactError) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(scorer, settings, give_up)
    config = uvicorn.Config(
        app,
        backlog=BACKLOG,
        log_config=None,
        access_log=settings.access_log,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        server_header=False,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    host, port = listener.getsockname()[:2]
    log.info("serving %s on http://%s:%d (API page: %s)", scorer.artefact.manifest.name, host, port, DOCS)
    with contextlib.closing(listener):
        server.run(sockets=[listener])
    return failures[0] if failures else None


def _leave(*_: object) -> NoReturn:
    log.info("stopped")
    raise SystemExit(0)
