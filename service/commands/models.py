"""`rerank models`: list the known and the prepared models, with the subcommands `prepare` and `verify`."""

from pathlib import Path

import click
from msgspec import UNSET

from models import catalogue, store
from models.artefact import LOCAL, ArtefactError, Manifest, load
from models.catalogue import ModelCard
from models.prepare.identity import require_origin
from service.commands.prepare import prepare, verify
from service.commands.refusal import Refusal
from service.commands.settings_flags import settings_flags
from service.settings import SettingsError
from service.settings import load as load_settings

HEADER = ("NAME", "STATE", "PRECISION", "MAX TOKENS", "PARAMETERS", "LICENCE", "RELEASED", "PRICE", "SOURCE")
NOTHING = "-"
OTHER_SOURCE = "other source"


@click.group()
def models() -> None:
    """List, prepare and verify models."""


models.add_command(prepare)
models.add_command(verify)


@models.command("list", short_help="List the known and the prepared models.")
@settings_flags("models_dir")
def list_models(**flags: str | None) -> None:
    """List the known and the prepared models, one line per prepared precision.

    PRICE is what a hosted service charges, in US dollars per million tokens. SOURCE is the hub id, or only the
    organisation if the rest equals NAME; for a local checkpoint it is its folder. `rerank serve` prepares a model that
    is "not prepared". One that is "refused: --from-onnx" needs code from its repository, which is never run; `rerank
    models prepare NAME --from-onnx` takes its ONNX graph instead. A model of "other source" was prepared from elsewhere
    than its name says, and is not served under it.
    """
    try:
        rows = [HEADER, *_rows(load_settings(flags).models_dir)]
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rows(models_dir: Path) -> list[tuple[str, ...]]:
    folders = [(folder.relative_to(models_dir).parts[0], folder) for folder in store.prepared(models_dir)]
    rows = [_prepared_row(name, folder) for name, folder in [("embedded", catalogue.EMBEDDED), *folders]]
    listed = {row[0] for row in rows}
    rows += [_unprepared_row(card) for card in catalogue.CARDS if card.name not in listed]
    return sorted(rows)


def _unprepared_row(card: ModelCard) -> tuple[str, ...]:
    state = "refused: --from-onnx" if card.remote_code else "not prepared"
    source = _source(card.name, card.hub_id)
    return (card.name, state, NOTHING, str(card.max_tokens), *_figures(card, card.licence), source)


def _prepared_row(name: str, folder: Path) -> tuple[str, ...]:
    card = catalogue.card_of(name)
    try:
        manifest = load(folder).manifest
    except ArtefactError:
        precision = folder.name if folder.name in store.PRECISIONS else NOTHING
        return (name, "damaged", precision, NOTHING, *_figures(card, NOTHING), str(folder))
    source = "ships here" if folder == catalogue.EMBEDDED else _made_from(name, manifest)
    figures = _figures(card, manifest.source.licence)
    return (name, _state(name, folder), manifest.precision, str(manifest.max_tokens), *figures, source)


def _state(name: str, folder: Path) -> str:
    """Say whether `serve` takes the artefact under this name."""
    if name == "embedded" and folder != catalogue.EMBEDDED:
        return OTHER_SOURCE
    try:
        require_origin(folder, name)
    except ArtefactError:
        return OTHER_SOURCE
    return "ready"


def _made_from(name: str, manifest: Manifest) -> str:
    if not manifest.source.is_local:
        return _source(name, manifest.source.hub_id)
    return LOCAL if manifest.preparation is UNSET else manifest.preparation.model


def _figures(card: ModelCard | None, licence: str) -> tuple[str, str, str, str]:
    """Format parameters, licence, release date and price; all but the licence come from the model's card."""
    if card is None:
        return (NOTHING, licence, NOTHING, NOTHING)
    price = NOTHING if card.usd_per_million_tokens is None else f"${card.usd_per_million_tokens:.3f}"
    return (_millions(card.parameters), licence, card.released, price)


def _millions(parameters: int) -> str:
    millions = parameters / 1e6
    return f"{millions:.1f}M" if millions < 100 else f"{millions:.0f}M"


def _source(name: str, hub_id: str) -> str:
    """Return the hub id, or only the organisation if the rest repeats the name, to keep lines short."""
    organisation, _, repository = hub_id.partition("/")
    return organisation if repository and repository == name else hub_id
