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
    click.echo("\n\n".join(_lines_of(entry, root) for entry in catalogue.KNOWN))


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
    entry = catalogue.find(name)
    if not entry:
        raise DataError(f"no known dataset {name!r}; `rerank-bench data list` shows them")
    folder = to or settings.data_root
    if not folder:
        raise DataError("no folder to put it into: give --to DIR, or name one in RERANK_DATA")
    dataset_folder = fetch(entry, folder, mirror or settings.mirror, say=lambda line: click.echo(line, err=True))
    click.echo(f"{dataset_folder}: {entry.size}; {entry.licence}")


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
    entry = catalogue.find(dataset.name)
    if entry:
        click.echo(f"  labels: {entry.labels}{'' if entry.human_labels else ' (NOT human)'}")
    for finding in findings.doubts:
        click.echo(f"  doubt: {finding.first}")
    for finding in findings.fatal:
        click.echo(f"  ERROR: {_counted(finding)}")
    if findings.fatal:
        raise DataError(f"{folder} cannot be used: {', '.join(_kind(finding) for finding in findings.fatal)}")
    if not findings.doubts:
        click.echo("  nothing odd was found")


def _lines_of(entry: catalogue.KnownDataset, root: Path | None) -> str:
    try:
        status = f"there: {datasets.find(entry.name, root)}"
    except DataError:
        size = f", about {entry.download_mb:g} MB" if entry.download_mb else ""
        status = f"`rerank-bench data fetch {entry.name}`{size}" if entry.sources else f"not there: {entry.why_not}"
    lines = [
        f"{entry.name}" + (f" ({entry.leaderboard} on the leaderboard)" if entry.leaderboard else ""),
        f"  {status}",
        f"  source   {entry.origin}",
        f"  licence  {entry.licence}",
        f"  size     {entry.size}",
        f"  labels   {entry.labels}{'' if entry.human_labels else ' (NOT human)'}",
    ]
    return "\n".join(lines + ([f"  note     {entry.doubt}"] if entry.doubt else []))


def _kind(finding: Finding) -> str:
    return f"{finding.count} {finding.kind.value}"


def _counted(finding: Finding) -> str:
    return f"{_kind(finding)}, the first: {finding.first}"
