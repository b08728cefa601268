"""Regenerate the generated parts of the documentation: `python -m tools.docs.generate`.

Tables are placed between the comments `<!-- generated: NAME -->` and `<!-- end of NAME -->` of a page; the rest of the
page is written by hand. Charts are separate files. `tests/tools/docs/test_generate.py` fails if the committed files
differ from what this command writes.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from tools.docs import charts, tables

ROOT = Path(__file__).parents[2]
TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/configuration.md", tables.settings_table),
    "metrics": ("docs/metrics.md", tables.metrics_table),
    "models": ("docs/models.md", tables.models_table),
}
"""The page and the generator of each table, by name."""
CHARTS: Mapping[str, Callable[[Path], str]] = {
    "docs/images/throughput.svg": charts.throughput,
    "docs/images/accuracy.svg": charts.accuracy,
}
"""The function that draws each chart from the results folder, by file."""


def generated() -> dict[Path, str]:
    """Return the complete text of every file with a generated part; raise ValueError if a page lacks the comments."""
    texts: dict[Path, str] = {}
    for name, (page, make) in TABLES.items():
        path = ROOT / page
        texts[path] = with_table(texts.get(path) or path.read_text(), name, make())
    return texts | {ROOT / file: draw(ROOT / "results") for file, draw in CHARTS.items()}


def with_table(page: str, name: str, table: str) -> str:
    """Insert a table between its comments."""
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end of {name} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page must have {begin.strip()} and {end.strip()} once each, in this order")
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", page)


@click.command()
def main() -> None:
    """Rewrite the generated tables and charts of the documentation that have changed."""
    for path, text in generated().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            click.echo(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
