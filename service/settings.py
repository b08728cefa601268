"""Every setting of the service: one frozen object, made once at start from flags and `RERANK_*` variables.

A field's name is its flag (`max_documents` → `--max-documents`) and its variable (`RERANK_MAX_DOCUMENTS`), its
description is the help text, its bounds hold for both. A flag wins over a variable. An unknown `RERANK_*` variable or a
bad value raises `SettingsError`, which names it: a typo must not start a server that ignores it. This is the only file
of the service that reads the environment.
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
"""Variables with our prefix that belong to the bench and the tests."""


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what would be right."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service can be told."""

    model: Annotated[
        str, Meta(description="Model to serve: a name from `rerank models list`, or an artefact folder.")
    ] = "embedded"
    models_dir: Annotated[Path, Meta(description="Folder of the prepared models, one folder each.")] = Path(
        "~/.cache/rerank/models"
    )
    precision: Annotated[
        PrecisionChoice,
        Meta(
            description="Which prepared form of the model: auto takes fp16 on CUDA, int8 on the CPU, or what is there."
        ),
    ] = "auto"
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8000
    device: Annotated[
        DeviceChoice,
        Meta(description="Where to run the model: auto takes CUDA where it is installed, the CPU for int8."),
    ] = "auto"
    threads: Annotated[
        int, Meta(ge=0, le=1024, description="Runs of the model at a time on the CPU; 0 for one per usable CPU.")
    ] = 0
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Processes behind the port, each with a model and a queue of its own and its share of the "
            "CPUs; for machines with very many.",
        ),
    ] = 1
    max_tokens: Annotated[
        int, Meta(ge=0, description="Window of a pair in tokens; 0 for the model's own, which it never exceeds.")
    ] = 0
    max_batch_tokens: Annotated[
        int,
        Meta(ge=0, description="Padded tokens of a batch; 0 for the device's own way (CPU: one pair a run)."),
    ] = 0
    gpu_memory_mb: Annotated[
        int, Meta(ge=0, description="What the model may take of a GPU's memory; 0 for all of it.")
    ] = 0
    max_documents: Annotated[
        int, Meta(ge=1, description="Documents a request may have, each window of a long one counted.")
    ] = 1000
    max_body_bytes: Annotated[int, Meta(ge=1024, description="Size of a request body.")] = 32 * 1024 * 1024
    max_concurrent_requests: Annotated[
        int, Meta(ge=1, description="Rerank requests in the house at a time; one more gets 429.")
    ] = 512
    max_queue_tokens: Annotated[
        int,
        Meta(
            ge=0,
            description="Tokens that may wait for the model, a request that does not fit beside others gets 429; "
            "0 for what the model does in two minutes at the measured rate.",
        ),
    ] = 0
    deadline_ms: Annotated[
        int,
        Meta(
            ge=0,
            description="Milliseconds in which a request is of use, unless its X-Request-Timeout-Ms says: one that "
            "cannot be answered by then gets 429 at once; 0 for no limit.",
        ),
    ] = 0
    token_cache_mb: Annotated[
        int, Meta(ge=0, description="Memory for the token ids of documents that were read last; 0 for none.")
    ] = 64
    score_cache_mb: Annotated[
        int, Meta(ge=0, description="Memory for the scores of pairs that were scored last; 0, the default, for none.")
    ] = 0
    shutdown_grace_s: Annotated[
        int, Meta(ge=0, description="Seconds that requests in flight may take to finish after SIGTERM.")
    ] = 30
    api_keys: Annotated[
        tuple[str, ...], Meta(description="API keys, separated by commas; without any, everybody may ask.")
    ] = ()
    api_keys_file: Annotated[
        Path | None, Meta(description="File of API keys, one a line, read again when it changes.")
    ] = None
    open_health: Annotated[
        bool, Meta(description="Answer /health, /ping and /ready without an API key, where keys are set.")
    ] = True
    open_metrics: Annotated[bool, Meta(description="Answer /metrics without an API key, where keys are set.")] = True
    open_models: Annotated[
        bool, Meta(description="Answer /v1/models without an API key, where keys are set: MTEB sends none.")
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Web origins whose pages may ask, such as https://app.example, separated by commas; or *."),
    ] = ()
    strict_model: Annotated[
        bool, Meta(description="Refuse requests that name another model; otherwise any name is taken and echoed.")
    ] = False
    model_aliases: Annotated[
        tuple[str, ...],
        Meta(description="More names for the model, separated by commas: listed, and taken where that is strict."),
    ] = ()
    bench_dir: Annotated[
        Path | None, Meta(description="Folder that `rerank-bench report` wrote, to serve to everybody under /bench.")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least that is logged, to stderr.")
    ] = "info"
    access_log: Annotated[bool, Meta(description="Log a line for every request.")] = False


class Setting(msgspec.Struct, frozen=True):
    """One field of `Settings` as the command line shows it."""

    name: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The flag, such as `--max-documents`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, such as `RERANK_MAX_DOCUMENTS`."""
        return PREFIX + self.name.upper()


def settings_list() -> list[Setting]:
    """List every setting in the order of the class."""
    fields = msgspec.structs.fields(Settings)
    return [Setting(f.name, f.type, f.default, _description(f.type)) for f in fields]


def load(flags: Mapping[str, str | None], environ: Mapping[str, str] | None = None) -> Settings:
    """Make the settings from flags (None: not given) and the environment; raise SettingsError for what is wrong."""
    environ = os.environ if environ is None else environ
    known = settings_list()
    _refuse_unknown(environ, [setting.variable for setting in known])
    values: dict[str, Any] = {}
    for setting in known:
        flag, variable = flags.get(setting.name), environ.get(setting.variable)
        if flag is not None:
            values[setting.name] = _convert(setting, flag, setting.flag)
        elif variable is not None:
            values[setting.name] = _convert(setting, variable, setting.variable)
    settings = Settings(**values)
    for origin in settings.cors_origins:
        if not ORIGIN.fullmatch(origin):
            raise SettingsError(f"{origin!r} of cors_origins is no origin: give scheme://host[:port], or *")
    if settings.bench_dir and not (settings.bench_dir / "index.html").is_file():
        raise SettingsError(
            f"bench_dir='{settings.bench_dir}' cannot be used: there is no report; `rerank-bench report` writes one"
        )
    return msgspec.structs.replace(settings, models_dir=_expanded(settings.models_dir))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # no home folder: an arbitrary uid in a container
        return path


def _refuse_unknown(environ: Mapping[str, str], known: list[str]) -> None:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and name not in NOT_OURS:
            close = difflib.get_close_matches(name.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in known], n=1)
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "rerank serve --help lists those that exist"
            raise SettingsError(f"{name} is set but there is no such setting: {hint}")


def _convert(setting: Setting, text: str, given_as: str) -> Any:
    if not text:
        raise SettingsError(f"{given_as}='' cannot be used: it must not be empty")
    if _is_path(setting.type):
        return _expanded(Path(text))
    if _is_list(setting.type):
        return _entries(text, given_as)
    try:
        return msgspec.convert(text, setting.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{given_as}={text!r} cannot be used: {_reason(setting, error)}") from None


def _reason(setting: Setting, error: msgspec.ValidationError) -> str:
    info = msgspec.inspect.type_info(setting.type)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.LiteralType):
        return "it must be one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, msgspec.inspect.IntType):
        least, most = info.ge, info.le
        bounds = f" from {least}" + (f" to {most}" if most is not None else " up")
        return f"it must be a whole number{bounds}"
    if isinstance(info, msgspec.inspect.BoolType):
        return "it must be true or false"
    return str(error)


def _entries(text: str, given_as: str) -> tuple[str, ...]:
    """Split at commas; a value that may be a secret is not repeated in the message."""
    entries = tuple(entry.strip() for entry in text.split(","))
    if not all(entries):
        raise SettingsError(f"{given_as} has an empty entry: separate the entries by single commas")
    return entries


def _is_path(annotated: Any) -> bool:
    return getattr(annotated, "__origin__", None) in {Path, Path | None}


def _is_list(annotated: Any) -> bool:
    return getattr(annotated, "__origin__", None) == tuple[str, ...]


def _description(annotated: Any) -> str:
    metas = [meta for meta in getattr(annotated, "__metadata__", ()) if isinstance(meta, Meta)]
    return " ".join(meta.description or "" for meta in metas)
