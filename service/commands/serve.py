"""`rerank serve`: load, listen, warm up, serve until SIGTERM or Ctrl-C, finish the requests in flight, exit with 0.

The artefact is loaded and checked and the port is bound before the server starts, so configuration errors show at once.
"""

import contextlib
import errno
import functools
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click
import msgspec
import uvicorn

from models.artefact import Artefact, ArtefactError
from models.artefact import load as load_artefact
from models.cpus import usable_cpus
from models.devices import choose_device
from models.loaded_model import LoadedModel, context_window
from models.session import available_providers
from service.api.app import DOCS, create_app
from service.api.auth import ApiKeys, ApiKeysError
from service.api.worker_metrics import Worker
from service.commands.log_format import configure_logging
from service.commands.prepare import find_or_prepare
from service.commands.refusal import Refusal, named_as_given
from service.commands.settings_flags import settings_flags
from service.commands.workers import supervise
from service.settings import Settings, SettingsError, load

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Longer than load balancers keep idle connections (60 s), so that they close them and not the server."""
BACKLOG = 2048
"""Maximum number of connections that wait in the kernel to be accepted."""
INTERRUPTED = 130
"""Exit code of a process ended by Ctrl-C."""


@click.command(short_help="Serve a model over HTTP.")
@settings_flags()
def serve(**flags: str | None) -> None:
    """Serve a model over HTTP. Every flag is also an environment variable, named in brackets."""
    # While the model loads, these signals end the process at once (process 1 of a container ignores them by default);
    # uvicorn then replaces the handlers, drains, and raises the signal again, which ends the process here.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)
    try:
        settings = load(flags)
        configure_logging(settings.log_level)
        keys = _api_keys(settings)
        if settings.workers == 1:
            model = open_model(settings)
            listener = _listen(settings)
            _announce(model.artefact, keys, listener)
        else:
            artefact = _check_model(settings)
            listener = _listen(settings)
            _announce(artefact, keys, listener)
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    if settings.workers == 1:
        _run(model, settings, keys, listener)
    else:
        with tempfile.TemporaryDirectory(prefix="rerank-") as folder:
            work = functools.partial(_run_worker, settings, listener, Path(folder))
            sys.exit(supervise(settings.workers, work, listener))


def _run_worker(settings: Settings, listener: socket.socket, folder: Path, number: int) -> None:
    """Serve as one of several workers on a shared socket."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)
    configure_logging(settings.log_level)
    share = max(1, usable_cpus() // settings.workers)
    try:
        model = open_model(msgspec.structs.replace(settings, threads=settings.threads or share))
        keys = _api_keys(settings)
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    if model.session.device.exclusive:
        raise Refusal(f"{settings.name_of('workers')}={settings.workers} needs a CPU: only one process can use the GPU")
    _run(model, settings, keys, listener, Worker(number, folder))


def open_model(settings: Settings) -> LoadedModel:
    """Find or prepare the model named in the settings and load it; raise ArtefactError or SettingsError."""
    with named_as_given(settings):
        return LoadedModel.open(
            find_or_prepare(settings),
            device=settings.device,
            threads=settings.threads,
            max_tokens=settings.max_tokens or None,
            max_batch_tokens=settings.max_batch_tokens or None,
            token_cache_bytes=settings.token_cache_mb * 2**20,
            gpu_memory_bytes=settings.gpu_memory_mb * 2**20,
        )


def _check_model(settings: Settings) -> Artefact:
    """Find or prepare the model and check what can be checked without opening it, which every worker does."""
    with named_as_given(settings):
        artefact = load_artefact(find_or_prepare(settings))
        manifest = artefact.manifest
        context_window(manifest.name, manifest.max_tokens, settings.max_tokens)
        choose_device(settings.device, manifest.precision, available_providers())
    return artefact


def _api_keys(settings: Settings) -> ApiKeys:
    try:
        return ApiKeys(settings.api_keys, settings.api_keys_file)
    except ApiKeysError as error:
        raise SettingsError(f"{settings.name_of(error.setting)}: {error}") from None


def _listen(settings: Settings) -> socket.socket:
    """Bind the first address of the host; `::` accepts IPv4 connections too."""
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        known = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        reason = known.partition(" (while ")[0]  # create_server repeats the address
        at_fault = "port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "host"
        other = f"another {at_fault} with {settings.name_of(at_fault)}"
        raise SettingsError(f"cannot listen on {host} port {port}: {reason}; choose {other}") from None
    except UnicodeError:
        name = settings.name_of("host")
        raise SettingsError(f"cannot listen on {host}: not a valid host name; choose another with {name}") from None


def _announce(artefact: Artefact, keys: ApiKeys, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("serving %s on http://%s:%d (API page: %s)", artefact.manifest.name, shown, port, DOCS)
    log.info("the model is %s in %s, from %s", artefact.manifest.name, artefact.manifest.precision, _origin(artefact))
    if not keys.required and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        log.warning(
            "listening on %s without API keys: anyone who can reach it can use it (see --api-keys, --api-keys-file)",
            shown,
        )


def _origin(artefact: Artefact) -> str:
    """Say where the weights come from, since a name can stand for several checkpoints in the course of time."""
    source, record = artefact.manifest.source, artefact.manifest.preparation
    if source.is_local:
        return "a local checkpoint" if record is msgspec.UNSET else record.model
    return f"{source.hub_id} at {source.revision}"


def _run(
    model: LoadedModel, settings: Settings, keys: ApiKeys, listener: socket.socket, worker: Worker | None = None
) -> None:
    """Serve until a stop signal; raise Refusal if the warm-up fails."""
    failures: list[ArtefactError] = []

    def give_up(error: ArtefactError) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(model, settings, keys, give_up, worker)
    config = uvicorn.Config(
        app,
        backlog=BACKLOG,
        log_config=None,
        access_log=settings.access_log,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        server_header=False,
        lifespan="on",
        ws="none",
    )
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    _collect_rarely()
    try:
        with contextlib.closing(listener):
            server.run(sockets=[listener])
    finally:
        if server.force_exit:  # a second Ctrl-C: inference threads still run the model, and a normal exit would abort
            os._exit(INTERRUPTED)
    if failures:
        raise Refusal(str(failures[0]))


def _collect_rarely() -> None:
    """Keep the garbage collector from stalling the event loop while a body with millions of lists is decoded.

    Objects loaded so far live until the process ends and are not scanned again (docs/decisions/0001).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _leave(*_: object) -> NoReturn:
    log.info("stopped")
    raise SystemExit(0)
