"""`rerank models`: which models this machine knows and which are ready to serve."""

from pathlib import Path

import click

from models import catalog
from models.artefact import ArtefactError, load
from service.commands.refusal import Refusal
from service.commands.settings_flags import settings_flags
from service.settings import SettingsError
from service.settings import load as load_settings


@click.group()
def models() -> None:
    """Know the models."""


@models.command("list")
@settings_flags("models_dir")
def list_models(**flags: str | None) -> None:
    """List the known models and the prepared ones: name, state, precision, window, licence, hub id."""
    try:
        folder = load_settings(flags).models_dir
    except SettingsError as error:
        raise Refusal(str(error)) from None
    rows = [("NAME", "STATE", "PRECISION", "MAX TOKENS", "LICENCE", "SOURCE"), *_rows(folder)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rows(models_dir: Path) -> list[tuple[str, ...]]:
    folders = {path.name: path for path in catalog.prepared(models_dir)} | {"embedded": catalog.EMBEDDED}
    known = {card.name: card for card in catalog.CARDS}
    rows = []
    for name in sorted(known | folders):
        if name in folders:
            rows.append(_prepared_row(name, folders[name]))
        else:
            card = known[name]
            rows.append((name, "not prepared", "-", str(card.max_tokens), card.licence, card.hub_id))
    return rows


def _prepared_row(name: str, folder: Path) -> tuple[str, ...]:
    try:
        manifest = load(folder).manifest
    except ArtefactError:
        return (name, "damaged", "-", "-", "-", str(folder))
    source = manifest.source
    return (name, "ready", manifest.precision, str(manifest.max_tokens), source.licence, source.hub_id)
