"""All settings of the service: one frozen object, built once at start-up from flags and `RERANK_*` variables.

A field's name gives its flag (`max_documents` → `--max-documents`) and its variable (`RERANK_MAX_DOCUMENTS`); its
description is the help text, and its bounds apply to both. A flag takes precedence over a variable. An unknown
`RERANK_*` variable or an invalid value raises a `SettingsError` that names it, so that a typo cannot start a server
that ignores it. No other file of the service reads the environment.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.artefact import PrecisionChoice
from models.devices import DeviceChoice

PREFIX = "RERANK_"
ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")
NOT_OURS = frozenset({"RERANK_DATA"})
"""Variables with this prefix that belong to the bench and the tests, not to the service."""


class SettingsError(Exception):
    """A setting is invalid; the message names it and says what would be valid."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the service."""

    model: Annotated[
        str,
        Meta(
            description="Model to use: a name from `rerank models list`, a hub id (org/name), or the folder of a "
            "checkpoint or an artefact; prepared first if it is not prepared yet."
        ),
    ] = "embedded"
    models_dir: Annotated[Path, Meta(description="Folder that holds the prepared models, one subfolder per model.")] = (
        Path("~/.cache/rerank/models")
    )
    precision: Annotated[
        PrecisionChoice,
        Meta(description="Precision of the prepared model; auto prefers fp16 on CUDA and int8 on the CPU."),
    ] = "auto"
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks a free one.")] = 8000
    device: Annotated[
        DeviceChoice,
        Meta(description="Device to run the model on; auto uses CUDA if available, and the CPU for int8."),
    ] = "auto"
    threads: Annotated[
        int, Meta(ge=0, le=1024, description="Number of inference threads on the CPU; 0 for one per usable CPU.")
    ] = 0
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Number of worker processes sharing the port, each with its own model, queue and share of the "
            "CPUs; for machines with many CPUs.",
        ),
    ] = 1
    max_tokens: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum tokens per query-document pair, up to the model's context window; 0 for all of it.",
        ),
    ] = 0
    max_batch_tokens: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum tokens per batch, with padding; 0 for the device's default (CPU: one pair per batch).",
        ),
    ] = 0
    gpu_memory_mb: Annotated[
        int, Meta(ge=0, description="GPU memory that the model may use, in MiB; 0 for no limit.")
    ] = 0
    max_documents: Annotated[
        int,
        Meta(ge=1, description="Maximum number of documents per request; every chunk of a long document counts."),
    ] = 1000
    max_body_bytes: Annotated[int, Meta(ge=1024, description="Maximum size of a request body in bytes.")] = (
        32 * 1024 * 1024
    )
    max_concurrent_requests: Annotated[
        int, Meta(ge=1, description="Maximum number of concurrent rerank requests; further ones get 429.")
    ] = 512
    max_queue_tokens: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum number of queued tokens; a request that does not fit gets 429. 0 for as many as the "
            "model processes in two minutes at the measured throughput.",
        ),
    ] = 0
    deadline_ms: Annotated[
        int,
        Meta(
            ge=0,
            description="Default request deadline in milliseconds; the header X-Request-Timeout-Ms overrides it. A "
            "request that cannot be answered in time gets 429 at once. 0 for no deadline.",
        ),
    ] = 0
    token_cache_mb: Annotated[
        int, Meta(ge=0, description="Size in MiB of the cache of recently tokenised documents; 0 disables it.")
    ] = 64
    score_cache_mb: Annotated[
        int, Meta(ge=0, description="Size in MiB of the cache of recently computed scores; 0 disables it.")
    ] = 0
    shutdown_grace_s: Annotated[
        int, Meta(ge=0, description="Seconds that requests in flight have to finish after SIGTERM.")
    ] = 30
    api_keys: Annotated[
        tuple[str, ...],
        Meta(description="API keys, separated by commas; without any, the server is open to everyone."),
    ] = ()
    api_keys_file: Annotated[
        Path | None, Meta(description="File with one API key per line; it is re-read when it changes.")
    ] = None
    open_health: Annotated[
        bool, Meta(description="Answer /health, /ping and /ready without an API key even if keys are set.")
    ] = True
    open_metrics: Annotated[bool, Meta(description="Answer /metrics without an API key even if keys are set.")] = True
    open_models: Annotated[
        bool, Meta(description="Answer /v1/models without an API key even if keys are set, as MTEB sends none.")
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Web origins allowed to call the API, such as https://app.example, separated by commas; or *."
        ),
    ] = ()
    strict_model: Annotated[
        bool, Meta(description="Reject requests that name another model; otherwise any name is accepted and echoed.")
    ] = False
    model_aliases: Annotated[
        tuple[str, ...],
        Meta(description="Further names of the model, separated by commas: listed, and accepted by --strict-model."),
    ] = ()
    bench_dir: Annotated[
        Path | None,
        Meta(description="Report written by `rerank-bench report`, served under /bench without an API key."),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Minimum level of messages logged to stderr."),
    ] = "info"
    access_log: Annotated[bool, Meta(description="Log one line per request.")] = False
    given_as: dict[str, str] = {}
    """The flag or variable with which each setting was given, by the setting's name; it is not a setting itself."""

    def name_of(self, setting: str) -> str:
        """Return the name of a setting as the user gave it, such as --port or RERANK_PORT; the flag by default."""
        return self.given_as.get(setting, flag_of(setting))


def flag_of(setting: str) -> str:
    """Return the flag of a setting, such as `--max-documents`."""
    return "--" + setting.replace("_", "-")


class Setting(msgspec.Struct, frozen=True):
    """One field of `Settings` as the command line presents it."""

    name: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The flag, such as `--max-documents`."""
        return flag_of(self.name)

    @property
    def variable(self) -> str:
        """The environment variable, such as `RERANK_MAX_DOCUMENTS`."""
        return PREFIX + self.name.upper()


def settings_list() -> list[Setting]:
    """List all settings in the order of the class."""
    fields = [field for field in msgspec.structs.fields(Settings) if field.name != "given_as"]
    return [Setting(f.name, f.type, f.default, _description(f.type)) for f in fields]


def load(flags: Mapping[str, str | None], environ: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from flags (None: not given) and the environment; raise SettingsError if one is invalid."""
    environ = os.environ if environ is None else environ
    known = settings_list()
    _refuse_unknown(environ, [setting.variable for setting in known])
    values: dict[str, Any] = {}
    given_as: dict[str, str] = {}
    for setting in known:
        flag, variable = flags.get(setting.name), environ.get(setting.variable)
        text = variable if flag is None else flag
        if text is not None:
            name = given_as[setting.name] = setting.variable if flag is None else setting.flag
            values[setting.name] = _convert(setting, text, name)
    settings = Settings(**values, given_as=given_as)
    for origin in settings.cors_origins:
        if not ORIGIN.fullmatch(origin):
            name = settings.name_of("cors_origins")
            raise SettingsError(f"{name}: {origin!r} is not an origin; use scheme://host[:port], or *")
    if settings.bench_dir and not (settings.bench_dir / "index.html").is_file():
        raise SettingsError(
            f"{settings.name_of('bench_dir')}='{settings.bench_dir}' has no index.html; "
            "write a report there with `rerank-bench report`"
        )
    return msgspec.structs.replace(settings, models_dir=_expanded(settings.models_dir))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # no home folder, such as for an arbitrary uid in a container
        return path


def _refuse_unknown(environ: Mapping[str, str], known: list[str]) -> None:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and name not in NOT_OURS:
            close = difflib.get_close_matches(name.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in known], n=1)
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "see rerank serve --help"
            raise SettingsError(f"{name} is set, but there is no such setting: {hint}")


def _convert(setting: Setting, text: str, given_as: str) -> Any:
    if not text:
        raise SettingsError(f"{given_as}='' is invalid: it must not be empty")
    if not (_is_path(setting.type) or setting.name == "model" or _is_utf8(text)):  # a file name may have any bytes
        raise SettingsError(f"{given_as} is not valid UTF-8")
    if _is_path(setting.type):
        return _expanded(Path(text))
    if _is_list(setting.type):
        return _entries(text, given_as)
    try:
        return msgspec.convert(text, setting.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{given_as}={text!r} is invalid: {_reason(setting, error)}") from None


def _reason(setting: Setting, error: msgspec.ValidationError) -> str:
    info = msgspec.inspect.type_info(setting.type)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.LiteralType):
        return "it must be one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, msgspec.inspect.IntType):
        least, most = info.ge, info.le
        bounds = f"from {least} to {most}" if most is not None else f"of {least} or more"
        return f"it must be a whole number {bounds}"
    if isinstance(info, msgspec.inspect.BoolType):
        return "it must be true or false"
    return str(error)


def _entries(text: str, given_as: str) -> tuple[str, ...]:
    """Split at commas. The error does not repeat the value, which may be a secret."""
    entries = tuple(entry.strip() for entry in text.split(","))
    if not all(entries):
        raise SettingsError(f"{given_as} has an empty entry: separate the entries by single commas")
    return entries


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_path(annotated: Any) -> bool:
    return getattr(annotated, "__origin__", None) in {Path, Path | None}


def _is_list(annotated: Any) -> bool:
    return getattr(annotated, "__origin__", None) == tuple[str, ...]


def _description(annotated: Any) -> str:
    metas = [meta for meta in getattr(annotated, "__metadata__", ()) if isinstance(meta, Meta)]
    return " ".join(meta.description or "" for meta in metas)
