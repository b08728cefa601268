"""Plot a record of `tools.engine.overload`: `python -m tools.engine.plot OVERLOAD.json --out overload.svg`.

The left plot shows the documents per second that were sent, answered in time and rejected, the right plot the latency
of the answered requests. Everything is computed from the record's samples.
"""

from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.figure import Figure

from tools.engine.overload import LOADS
from tools.engine.traffic import COLUMNS

PERCENTILES = (50, 90, 99)


@click.command()
@click.argument("record", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="SVG file to write.")
def main(record: Path, out: Path) -> None:
    """Plot the overload measurement in RECORD as an SVG file."""
    read = msgspec.json.decode(record.read_bytes())
    settings = read["provenance"]["settings"]
    rows = {load: _columns(read["found"][f"{load:g}"]) for load in LOADS}
    mpl.rcParams |= {"svg.hashsalt": "overload", "svg.fonttype": "none", "font.family": "sans-serif"}
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rates, latencies = figure.subplots(1, 2)
    asked, good, refused = zip(*(_rates(load, settings) for load in rows.values()), strict=True)
    for name, values, style in (
        ("asked", asked, ":"),
        ("answered in time", good, "-"),
        ("refused (429)", refused, "--"),
    ):
        rates.plot(LOADS, values, style, marker="o", label=name)
    rates.set(xlabel="load, of the sustainable rate", ylabel="documents a second", ylim=(0, None))
    for percentile in PERCENTILES:
        of_load = [_latency_ms(load, percentile) for load in rows.values()]
        latencies.plot(LOADS, of_load, marker="o", label=f"P{percentile}")
    latencies.axhline(settings["timeout_ms"], linestyle=":", color="grey", label="what clients wait")
    latencies.set(xlabel="load, of the sustainable rate", ylabel="latency of answers, ms", ylim=(0, None))
    for axes in (rates, latencies):
        axes.set_xscale("log", base=2)
        axes.set_xticks(LOADS, [f"{load:g} x" for load in LOADS])
        axes.legend(frameon=False, fontsize="small")
    figure.savefig(out, metadata={"Date": None})


def _columns(rows: list[list[Any]]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    return {name: np.array([row[at] for row in rows]) for at, name in enumerate(COLUMNS)}


def _rates(load: dict[str, Any], settings: dict[str, Any]) -> tuple[float, float, float]:
    """Return documents per second: sent, answered in time, rejected."""
    in_time = (load["status"] == 200) & (load["done_s"] - load["planned_s"] <= settings["timeout_ms"] / 1000)
    refused = load["status"] == 429
    asked, good, turned_away = (float(load["documents"][rows].sum()) for rows in (slice(None), in_time, refused))
    return asked / settings["seconds"], good / settings["seconds"], turned_away / settings["seconds"]


def _latency_ms(load: dict[str, Any], percentile: float) -> float:
    answered = load["status"] == 200
    return float(np.percentile(1000 * (load["done_s"] - load["planned_s"])[answered], percentile))


if __name__ == "__main__":
    main()
