"""`rerank-bench data`: which sets are known, where their originals come from, and what is wrong with one."""

from pathlib import Path

import click

from bench.data import catalogue, datasets
from bench.data.fetch import fetch
from bench.data.findings import Finding
from bench.errors import DataError
from bench.settings import Settings


@click.group("data")
def data_group() -> None:
    """List, fetch and check datasets."""


@data_group.command("list")
def list_command() -> None:
    """The known sets: source, licence, size, labels, and which are there."""
    root = Settings.from_environment().data_root
    click.echo("\n\n".join(_entry(known, root) for known in catalogue.KNOWN))


@data_group.command("fetch")
@click.argument("name")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds the sets.  [default: RERANK_DATA]",
)
@click.option(
    "--mirror",
    help="Base URL instead of the originals' own: files are asked for at URL/<set>/<file>.  [default: BENCH_MIRROR]",
)
def fetch_command(name: str, to: Path | None, mirror: str | None) -> None:
    """Get the public originals of NAME, checked and resumable: the same command goes on where it was interrupted."""
    settings = Settings.from_environment()
    known = catalogue.find(name)
    if not known:
        raise DataError(f"no known dataset {name!r}; `rerank-bench data list` shows them")
    folder = to or settings.data_root
    if not folder:
        raise DataError("no folder to put it into: give --to DIR, or name one in RERANK_DATA")
    there = fetch(known, folder, mirror or settings.mirror, say=lambda line: click.echo(line, err=True))
    click.echo(f"{there}: {known.size}; {known.licence}")


@data_group.command("check")
@click.argument("name")
@click.option("--split", default="test", help="Which qrels judge.")
def check_command(name: str, split: str) -> None:
    """Everything that is wrong with a set (a name or a folder), with counts; exit code 1 where it cannot be used."""
    folder = datasets.find(name, Settings.from_environment().data_root)
    dataset, findings = datasets.examine(folder, split)
    judgements = sum(len(judged) for judged in dataset.qrels.values())
    click.echo(
        f"{folder} ({split}): {len(dataset.documents)} documents, {len(dataset.qrels)} judged queries, ", nl=False
    )
    click.echo(f"{judgements} judgements, sha256 {dataset.sha256[:12]}")
    known = catalogue.find(dataset.name)
    if known:
        click.echo(f"  labels: {known.labels}{'' if known.human_labels else ' (NOT human)'}")
    for finding in findings.doubts:
        click.echo(f"  doubt: {finding.first}")
    for finding in findings.fatal:
        click.echo(f"  ERROR: {_counted(finding)}")
    if findings.fatal:
        raise DataError(f"{folder} cannot be used: {', '.join(_kind(finding) for finding in findings.fatal)}")
    if not findings.doubts:
        click.echo("  nothing odd was found")


def _entry(known: catalogue.KnownDataset, root: Path | None) -> str:
    try:
        there = f"there: {datasets.find(known.name, root)}"
    except DataError:
        size = f", about {known.download_mb:g} MB" if known.download_mb else ""
        there = f"`rerank-bench data fetch {known.name}`{size}" if known.sources else f"not there: {known.why_not}"
    lines = [
        f"{known.name}" + (f" ({known.leaderboard} on the leaderboard)" if known.leaderboard else ""),
        f"  {there}",
        f"  source   {known.origin}",
        f"  licence  {known.licence}",
        f"  size     {known.size}",
        f"  labels   {known.labels}{'' if known.human_labels else ' (NOT human)'}",
    ]
    return "\n".join(lines + ([f"  note     {known.doubt}"] if known.doubt else []))


def _kind(finding: Finding) -> str:
    return f"{finding.count} {finding.kind.value}"


def _counted(finding: Finding) -> str:
    return f"{_kind(finding)}, the first: {finding.first}"
