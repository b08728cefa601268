"""`rerank-bench data`: lists the known datasets, fetches their originals, and checks a dataset for errors."""

from pathlib import Path

import click

from bench.candidates.candidates import check_shipped_run
from bench.candidates.frozen import DEPTH
from bench.data import catalogue, datasets
from bench.data.fetch import fetch
from bench.data.findings import Finding
from bench.errors import DataError
from bench.settings import Settings
from bench.wording import counted


@click.group("data", short_help="List, fetch and check datasets.")
def data_group() -> None:
    """List, fetch and check datasets."""


@data_group.command("list", short_help="List the known datasets.")
def list_command() -> None:
    """List the known datasets: source, licence, size, labels, and where they are stored."""
    root = Settings.from_environment().data_root
    click.echo("\n\n".join(_lines_of(entry, root) for entry in catalogue.KNOWN))


@data_group.command("fetch", short_help="Download a public dataset.")
@click.argument("name")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds the datasets.  [default: RERANK_DATA]",
)
@click.option(
    "--mirror",
    help="Base URL of a mirror: files are downloaded from URL/<dataset>/<file>.  [default: BENCH_MIRROR]",
)
def fetch_command(name: str, to: Path | None, mirror: str | None) -> None:
    """Download the public files of the dataset NAME and verify their checksums.

    Run the same command again to resume an interrupted download.
    """
    settings = Settings.from_environment()
    entry = catalogue.find(name)
    if not entry:
        raise DataError(f"unknown dataset {name!r}; `rerank-bench data list` lists the known ones")
    folder = to or settings.data_root
    if not folder:
        raise DataError("no folder to download to: give --to DIR, or set RERANK_DATA")
    dataset_folder = fetch(entry, folder, mirror or settings.mirror, say=lambda line: click.echo(line, err=True))
    click.echo(f"{dataset_folder}: {entry.size}; {entry.licence}")


@data_group.command("check", short_help="Check a dataset for errors.")
@click.argument("name")
@click.option("--split", default="test", help="Split to check: the judgements are read from qrels/<split>.tsv.")
def check_command(name: str, split: str) -> None:
    """Check the dataset NAME (a known name or a folder) and report every kind of error with its count.

    The exit code is 1 if the dataset cannot be used.
    """
    folder = datasets.find(name, Settings.from_environment().data_root)
    dataset, findings = datasets.examine(folder, split)
    judgements = sum(len(judged) for judged in dataset.qrels.values())
    click.echo(
        f"{folder} ({split}): {counted(len(dataset.documents), 'document')}, "
        f"{counted(len(dataset.qrels), 'judged query')}, ",
        nl=False,
    )
    click.echo(f"{counted(judgements, 'judgement')}, sha256 {dataset.sha256[:12]}")
    entry = catalogue.find(dataset.name)
    if entry:
        click.echo(f"  labels: {entry.labels}{'' if entry.human_labels else ' (NOT human)'}")
    for finding in findings.doubts:
        click.echo(f"  doubt: {finding.first}")
    for finding in findings.remarks:
        click.echo(f"  note: {finding.first}")
    for finding in findings.fatal:
        click.echo(f"  ERROR: {_counted(finding)}")
    if findings.fatal:
        raise DataError(f"{folder} cannot be used: {', '.join(_kind(finding) for finding in findings.fatal)}")
    about_run = check_shipped_run(dataset, DEPTH)
    if about_run:
        click.echo(f"  note: {about_run}")
    if not findings.doubts and not findings.remarks and not about_run:
        click.echo("  no problems found")


def _lines_of(entry: catalogue.KnownDataset, root: Path | None) -> str:
    try:
        status = f"stored in {datasets.find(entry.name, root)}"
    except DataError:
        size = f", about {entry.download_mb:g} MB" if entry.download_mb else ""
        status = f"`rerank-bench data fetch {entry.name}`{size}" if entry.sources else f"not available: {entry.why_not}"
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
    return finding.kind.counted(finding.count)


def _counted(finding: Finding) -> str:
    return f"{_kind(finding)}, first: {finding.first}"
