"""How a measurement ends: its table on stdout, its record in a file."""

from pathlib import Path

import click

from bench import records, tables


def finish(table: str, record: records.Record, out: Path | None) -> None:
    """Print the table below what it is of, and write the record where it was asked for."""
    click.echo(tables.heading(record))
    click.echo(table)
    if out:
        records.write(record, out)
        click.echo(f"record: {out}", err=True)
