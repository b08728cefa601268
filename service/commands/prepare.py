"""`rerank models prepare` and `verify`, and the automatic preparation in `rerank serve`.

Packages that only preparing needs are imported on demand: a server image has neither torch nor onnx.
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from models import catalogue, store
from models.artefact import ArtefactError, Precision, PrecisionChoice
from models.devices import DeviceChoice, preferred_precisions
from models.loaded_model import context_window
from models.prepare.identity import require_origin
from models.prepare.requirements import missing_packages
from models.session import available_providers
from models.store import NotPrepared
from models.wording import counted
from service.commands.refusal import Refusal, named_as_given
from service.commands.settings_flags import settings_flags
from service.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from models.prepare.verify import Verdict


@click.command(short_help="Prepare a model: export, verify and seal it.")
@click.argument("model")
@click.option(
    "--precision",
    type=click.Choice(get_args(PrecisionChoice)),
    default="auto",
    show_default=True,
    help="Precision to prepare; auto is fp16 if ONNX Runtime has CUDA, else int8.",
)
@click.option("--revision", help="Commit, tag or branch on the hub. [default: the catalogue's commit, or main]")
@click.option("--from-onnx", is_flag=True, help="Use the repository's own fp32 ONNX graph instead of exporting one.")
@click.option("--max-tokens", type=click.IntRange(16), help="Shorten the model's context window to this many tokens.")
@click.option("--pairs", type=click.Path(path_type=Path), help="JSON lines file of query-passage pairs to verify with.")
@click.option("--published", type=click.Path(path_type=Path), help="JSON file of published scores to check as well.")
@click.option("--force", is_flag=True, help="Prepare the model again even if it exists.")
@settings_flags("models_dir", "device")
def prepare(
    model: str,
    precision: PrecisionChoice,
    revision: str | None,
    from_onnx: bool,
    max_tokens: int | None,
    pairs: Path | None,
    published: Path | None,
    force: bool,
    **flags: str | None,
) -> None:
    """Prepare a model: download, export to ONNX, optimise, verify against torch, seal.

    MODEL is a name from `rerank models list`, a hub id (org/name) or the folder of a checkpoint.
    """
    try:
        settings = load(flags)
        _require(model, from_onnx=from_onnx)
        from models.prepare.pairs import TEXTS
        from models.prepare.prepare import Order
        from models.prepare.prepare import prepare as make
        from models.prepare.progress import Progress

        order = Order(
            model=model,
            precision=_precision(precision, settings.device),
            revision=revision,
            from_onnx=from_onnx,
            max_tokens=max_tokens,
            texts=pairs or TEXTS,
            published=published,
            device=settings.device,
            force=force,
        )
        with named_as_given(settings):
            artefact = make(order, settings.models_dir, Progress())
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    click.echo(artefact.folder)


@click.command(short_help="Verify a prepared model.")
@click.argument("model")
@click.option("--published", type=click.Path(path_type=Path), help="JSON file of published scores to check as well.")
@settings_flags("models_dir", "precision", "device")
def verify(model: str, published: Path | None, **flags: str | None) -> None:
    """Verify a prepared model: the hash of every file, and parity with the reference on this machine.

    MODEL is a name or the path of an artefact folder. Neither torch nor the checkpoint is needed. The exit code is 1 if
    a gate fails.
    """
    try:
        settings = load(flags)
        from models.prepare import published as scores
        from models.prepare.progress import Progress
        from models.prepare.verify import verify_folder

        with named_as_given(settings, model="MODEL"):
            folder = find(settings, model)
        published_scores = None if published is None else scores.read(published)
        with named_as_given(settings):
            artefact, verdict = verify_folder(folder, published_scores, settings.device, Progress())
    except (SettingsError, ArtefactError) as error:
        raise Refusal(str(error)) from None
    manifest = artefact.manifest
    click.echo(f"{manifest.name}, {manifest.precision}: {counted(len(manifest.files), 'file')} unchanged")
    _show(verdict)
    if verdict.failures:
        raise click.ClickException("; ".join(verdict.failures))
    click.echo("all gates passed")


def find(settings: Settings, model: str) -> Path:
    """Find a model's artefact folder, and check that it comes from where the name says; raise ArtefactError."""
    preferred = preferred_precisions(settings.device, available_providers())
    folder = store.find(model, settings.models_dir, settings.precision, preferred)
    require_origin(folder, model)
    return folder


def find_or_prepare(settings: Settings) -> Path:
    """Find the model named in the settings; prepare it first if it is missing and can be prepared without an option."""
    try:
        return find(settings, settings.model)
    except NotPrepared as missing:
        if missing.origin is None or missing.from_onnx:
            raise
        origin, absent = missing.origin, missing_packages(from_onnx=False)
        if absent:
            how = _how(absent, origin, settings.precision)
            raise ArtefactError(f"{missing}, which needs packages that are not installed: {how}") from None
    card = catalogue.card_of(origin)
    if card is not None:
        context_window(card.name, card.max_tokens, settings.max_tokens)  # before minutes of preparing
    from models.prepare.prepare import Order
    from models.prepare.prepare import prepare as make
    from models.prepare.progress import Progress

    precision = _precision(settings.precision, settings.device)
    order = Order(model=origin, precision=precision, device=settings.device)
    return make(order, settings.models_dir, Progress()).folder


def _precision(choice: PrecisionChoice, device: DeviceChoice) -> Precision:
    return preferred_precisions(device, available_providers())[0] if choice == "auto" else choice


def _require(model: str, *, from_onnx: bool) -> None:
    absent = missing_packages(from_onnx=from_onnx)
    if absent:
        raise ArtefactError(f"preparing a model needs packages that are not installed: {_how(absent, model)}")


def _how(absent: list[str], model: str, precision: PrecisionChoice = "auto") -> str:
    """Say what is not installed, and the commands that install it, prepare the model and serve it."""
    what = f"MODEL={shlex.quote(model)}" + ("" if precision == "auto" else f' ARGS="--precision {precision}"')
    return (
        f"{', '.join(absent)}; in the checkout, `make prepare {what}` installs them and prepares the model, and "
        f"`make serve {what}` also serves it; elsewhere, install rerank-server with its extra `prepare`"
    )


def _show(verdict: "Verdict") -> None:
    """Print the agreement, one line per length class."""
    agreement = verdict.agreement
    click.echo(f"reference: {verdict.reference}; compared on {verdict.device}, {counted(agreement.pairs, 'pair')}")
    click.echo("up to tokens  pairs  worst |Δlogit|  mean |Δlogit|  Kendall τ  top 10")
    for length, one in agreement.classes.items():
        order = ["-" if value is None else f"{value:.3f}" for value in (one.kendall_tau, one.top_10)]
        click.echo(f"{length:>12}  {one.pairs:>5}  {one.worst:>14.4g}  {one.mean:>13.4g}  {order[0]:>9}  {order[1]:>6}")
    click.echo(f"the reference's logits spread by {agreement.spread:.4g} (standard deviation)")
    if agreement.batch_variance is None:
        click.echo("batch variance: none (the model runs one pair at a time)")
    else:
        click.echo(f"batch variance: a logit changes by at most {agreement.batch_variance:.4g} in a batch")
    click.echo(_tokens(verdict))
    for score in verdict.published:
        logits = f"published {score.published:.3f}, measured {score.found:.3f}"
        click.echo(f"{logits}: {score.query!r}, {score.document[:40]!r}")


def _tokens(verdict: "Verdict") -> str:
    """Say with whose token ids the artefact's were compared."""
    if verdict.texts:
        return f"token ids: compared with those of {verdict.tokenizer} in {verdict.texts} pairs of texts"
    return (
        "token ids: not compared with transformers', as the artefact has no record of them; models prepared by this "
        "version have one (the embedded model's are compared by the project's tests)"
    )
