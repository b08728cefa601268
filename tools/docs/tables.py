"""Markdown tables of the settings, the metrics and the catalogue of models.

Each function reads the list in the code, so that the documentation cannot differ from the program.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from models.batching import NO_BATCHING
from models.cache import ByteCache
from models.catalogue import CARDS, ModelCard
from service.api.metrics import MODEL, Engine, Metrics
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker
from service.settings import Setting, settings_list

OURS = "rerank_"
"""The prefix of this server's own metrics, unlike those of Python and the process."""
PATH, LIST = "path", "list, separated by commas"
BINARY_UNITS = ((2**20, "MiB"), (2**10, "KiB"))


def settings_table() -> str:
    """Return the table of all settings: flag, variable, values, default and meaning."""
    header = ("flag", "variable", "values", "default", "meaning")
    return table(header, (_setting_row(setting) for setting in settings_list()))


def metrics_table() -> str:
    """Return the table of all metrics: name, type, labels and meaning."""
    return table(("metric", "type", "labels", "meaning"), sorted(_metric_rows()))


def models_table() -> str:
    """Return the table of all models of the catalogue."""
    header = ("name", "on the hub", "parameters", "longest pair", "licence", "released", "made ready by")
    return table(header, (_model_row(card) for card in CARDS))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table; a bar in a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def _setting_row(setting: Setting) -> tuple[str, ...]:
    default = _default(setting.default)
    return (f"`{setting.flag}`", f"`{setting.variable}`", _values(setting), default, setting.help)


def _default(value: Any) -> str:
    if value in {None, ()}:
        return "none"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for size, unit in BINARY_UNITS:
        if isinstance(value, int) and value >= size and value % size == 0:
            return f"`{text}` ({value // size} {unit})"
    return f"`{text}`"


def _values(setting: Setting) -> str:
    """Describe the values that a setting takes, from its type."""
    if isinstance(setting.default, tuple):
        return LIST
    if Path in {setting.type.__origin__, *get_args(setting.type.__origin__)}:
        return PATH
    choices = get_args(setting.type.__origin__)
    if get_origin(setting.type.__origin__) is Literal:
        return ", ".join(f"`{choice}`" for choice in choices)
    info = msgspec.inspect.type_info(setting.type)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.BoolType):
        return "`true`, `false`"
    if isinstance(info, msgspec.inspect.IntType):
        return f"{info.ge} to {info.le}" if info.le is not None else f"{info.ge} or more"
    return "text"


def _metric_rows() -> Iterator[tuple[str, ...]]:
    """Read the metrics from a registry in which each has been used once."""
    metrics = Metrics("0")
    metrics.of_model("m", _idle_engine())
    metrics.count("/", 200, 0.0)
    for family in text_string_to_metric_families(metrics.text().decode()):
        if not family.name.startswith(OURS) or family.name.endswith("_created"):
            continue
        labels = {label for sample in family.samples for label in sample.labels} - {"le", "version"}
        kind = "gauge" if family.name == "rerank_build_info" else family.type
        name = f"{family.name}_total" if kind == "counter" else family.name
        shown = ", ".join(f"`{label}`" for label in sorted(labels, key=lambda label: (label != MODEL, label)))
        yield (f"`{name}`", kind, shown or "none", family.documentation)


def _idle_engine() -> Engine:
    """Make an engine that never receives a request."""
    batcher = Batcher(_never, inference_threads=1, max_batch_tokens=NO_BATCHING, max_queue_tokens=0)
    reranker = Reranker(_never, batcher, max_documents=1, max_concurrent_requests=1)
    return Engine(reranker, batcher, ByteCache(0))


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is tokenised here")


def _model_row(card: ModelCard) -> tuple[str, ...]:
    millions = card.parameters / 1e6
    size = f"{millions:.1f} M" if millions < 100 else f"{millions:.0f} M"
    how = f"`make prepare MODEL={card.name}`"
    if card.name == "embedded":
        how = "nothing: it ships with the server"
    elif card.remote_code:
        how = f"`rerank models prepare {card.name} --from-onnx`"
    return (f"`{card.name}`", card.hub_id, size, f"{card.max_tokens:,} tokens", card.licence, card.released, how)
