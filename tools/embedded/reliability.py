"""Holds relevances against labels: `python -m tools.embedded.reliability --data DIR [--out FILE.svg]`.

Pairs as `calibrate` draws them (half relevant, half of the others BM25-hard), of splits that nothing was fitted on:
FiQA dev, NFCorpus test, SciFact test. For each tenth of the relevance: how many pairs, what it said on average, and
what share is relevant. The expected calibration error (Guo et al. 2017, arXiv 1706.04599) is the mean distance of both.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from bench.data.datasets import load
from models.catalogue import EMBEDDED
from models.scorer import Scorer
from tools.embedded.calibrate import QUERIES_PER_SET, SEED, pairs

Floats = npt.NDArray[np.float64]

HELD_OUT = (("fiqa", "dev"), ("nfcorpus", "test"), ("scifact", "test"))
BINS = 10
Z95 = 1.96


@dataclass(frozen=True)
class Bin:
    """The pairs whose relevance falls into one tenth."""

    pairs: int
    said: float
    """Mean relevance."""
    relevant: float
    """Share of the pairs that are relevant."""
    low: float
    high: float
    """Wilson's interval of that share, 95 %."""


def bins(chances: Floats, labels: Floats) -> list[Bin]:
    """Sort pairs into tenths of their relevance; empty tenths are left out."""
    places = np.minimum((chances * BINS).astype(int), BINS - 1)
    return [_bin(chances[places == place], labels[places == place]) for place in range(BINS) if (places == place).any()]


def _bin(chances: Floats, labels: Floats) -> Bin:
    n, share = len(labels), float(labels.mean())
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)))
    return Bin(n, float(chances.mean()), share, centre - half, centre + half)


def expected_error(found: list[Bin]) -> float:
    """Mean distance between what was said and what is so, by pairs."""
    return sum(one.pairs * abs(one.said - one.relevant) for one in found) / sum(one.pairs for one in found)


def draw(found: list[Bin], out: Path) -> None:
    """Write the picture: what was said against what is so, with intervals, and the line where the two are one."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    said, relevant = [one.said for one in found], [one.relevant for one in found]
    reach = [[one.relevant - one.low for one in found], [one.high - one.relevant for one in found]]
    axes.errorbar(said, relevant, yerr=reach, fmt="o-", color="#1f5fa8", capsize=2, markersize=4)
    axes.set(xlabel="relevance", ylabel="share of pairs that are relevant", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    with mpl.rc_context({"svg.hashsalt": "reliability"}):
        figure.savefig(out, format="svg", metadata={"Date": None}, facecolor="white")


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.reliability", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with fiqa, nfcorpus and scifact")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    parser.add_argument("--out", type=Path, help="the picture to write, SVG")
    options = parser.parse_args()
    chances, labels = [], []
    with Scorer.open(options.model, device="cpu") as scorer:
        for name, split in HELD_OUT:
            drawn = pairs(load(options.data / name, split), QUERIES_PER_SET, SEED)
            ready = [scorer.tokeniser.pairs(query, [document])[0] for query, document, _ in drawn]
            chances.append(1 / (1 + np.exp(-scorer.run(ready).astype(np.float64))))
            labels.append(np.array([label for _, _, label in drawn], np.float64))
            error = expected_error(bins(chances[-1], labels[-1]))
            print(f"{name} {split}: {len(drawn)} pairs, expected calibration error {error:.3f}")  # noqa: T201
    found = bins(np.concatenate(chances), np.concatenate(labels))
    for one in found:
        print(f"{one.pairs:5} said {one.said:.3f} relevant {one.relevant:.3f} [{one.low:.3f}, {one.high:.3f}]")  # noqa: T201
    print(f"all: expected calibration error {expected_error(found):.3f}")  # noqa: T201
    if options.out:
        draw(found, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
