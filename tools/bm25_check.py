"""Compare BM25's nDCG@10 on every available known dataset with the expected figure: `python -m tools.bm25_check`.

RERANK_DATA (or the argument) is the folder of the datasets. The program checks reader, candidates and measure together
against published figures, or figures measured earlier on the same files. It exits with 1 if a figure is off by more
than .005 or no dataset is available.
"""

from pathlib import Path

import click

from bench import tables
from bench.accuracy import measures
from bench.accuracy.measures import PRIMARY
from bench.candidates.candidates import freeze, shipped_run
from bench.data import catalogue, datasets
from bench.data.catalogue import Form, KnownDataset
from bench.errors import DataError
from bench.settings import Settings
from models.wording import are, counted

DEPTH = 100
TOLERANCE = 0.005


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("root", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(root: Path | None) -> None:
    """Print BM25's nDCG@10 and the expected figure for each known dataset in ROOT (default: RERANK_DATA)."""
    root = root or Settings.from_environment().data_root
    click.echo(f"{'dataset':<20} {'queries':>7}  {'BM25 ' + PRIMARY:<24} {'expected':>8}  off by")
    differences = [_row(known, root) for known in catalogue.KNOWN if known.bm25_ndcg10 is not None]
    measured = [difference for difference in differences if difference is not None]
    if not measured:
        raise click.ClickException(
            f"no known dataset was found in {root}: set RERANK_DATA or ROOT" if root else "set RERANK_DATA or ROOT"
        )
    off = sum(difference > TOLERANCE for difference in measured)
    if off:
        raise click.ClickException(
            f"{off} of {counted(len(measured), 'figure')} {are(off)} off by more than {TOLERANCE}"
        )
    click.echo(f"all {len(measured)} within {TOLERANCE}")


def _row(known: KnownDataset, root: Path | None) -> float | None:
    """Print the row of one dataset; return BM25's deviation, or None if it could not be measured."""
    try:
        dataset = datasets.load(datasets.find(known.name, root))
    except DataError as error:
        click.echo(f"{known.name:<20} {tables.ABSENT:>7}  {error}")
        return None
    if known.form is Form.DL19 and not shipped_run(dataset):
        click.echo(
            f"{known.name:<20} {len(dataset.qrels):>7}  the expected figure is that of a shipped run, which is missing"
        )
        return None
    expected = known.bm25_ndcg10 or 0.0
    values = measures.per_query(dataset.qrels, freeze(dataset, DEPTH).lists, dataset.relevance_level)
    found = measures.means({PRIMARY: values[PRIMARY]})[PRIMARY]
    difference = abs(found.value - expected)
    cells = f"{tables.measure_cell(found):<24} {tables.figure(expected, 4):>8}  {tables.figure(difference, 4)}"
    click.echo(f"{known.name:<20} {len(dataset.qrels):>7}  {cells}{'  OFF' if difference > TOLERANCE else ''}")
    return difference


if __name__ == "__main__":
    main()
