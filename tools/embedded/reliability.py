"""Compare relevance scores with labels: `python -m tools.embedded.reliability --data DIR [--out FILE.svg]`.

Pairs are drawn as in `calibrate` (half relevant, a quarter hard negatives from BM25) from splits that were not used for
fitting: FiQA dev, NFCorpus test, SciFact test. For each tenth of the score range, the output shows the number of pairs,
the mean score and the share of relevant pairs. The expected calibration error (Guo et al. 2017, arXiv 1706.04599) is
the mean distance between the last two.
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
from models.wording import counted
from tools.embedded.calibrate import QUERIES_PER_SET, SEED, pairs

Floats = npt.NDArray[np.float64]

HELD_OUT = (("fiqa", "dev"), ("nfcorpus", "test"), ("scifact", "test"))
BINS = 10
Z95 = 1.96


@dataclass(frozen=True)
class Bin:
    """The pairs whose score is in one tenth of the range."""

    pairs: int
    said: float
    """The mean score."""
    relevant: float
    """The share of relevant pairs."""
    low: float
    high: float
    """The bounds of the Wilson 95 % confidence interval of that share."""


def bins(chances: Floats, labels: Floats) -> list[Bin]:
    """Group pairs by tenths of their score; empty tenths are left out."""
    places = np.minimum((chances * BINS).astype(int), BINS - 1)
    return [_bin(chances[places == place], labels[places == place]) for place in range(BINS) if (places == place).any()]


def _bin(chances: Floats, labels: Floats) -> Bin:
    n, share = len(labels), float(labels.mean())
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)))
    return Bin(n, float(chances.mean()), share, centre - half, centre + half)


def expected_error(found: list[Bin]) -> float:
    """Return the expected calibration error: the mean distance of score and share, weighted by pairs."""
    return sum(one.pairs * abs(one.said - one.relevant) for one in found) / sum(one.pairs for one in found)


def draw(found: list[Bin], out: Path) -> None:
    """Draw the reliability diagram: the share of relevant pairs by score, with intervals and the diagonal."""
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
    parser.add_argument("--out", type=Path, help="SVG file of the diagram to write")
    options = parser.parse_args()
    chances, labels = [], []
    with Scorer.open(options.model, device="cpu") as scorer:
        for name, split in HELD_OUT:
            drawn = pairs(load(options.data / name, split), QUERIES_PER_SET, SEED)
            ready = [scorer.tokeniser.pairs(query, [document])[0] for query, document, _ in drawn]
            chances.append(1 / (1 + np.exp(-scorer.run(ready).astype(np.float64))))
            labels.append(np.array([label for _, _, label in drawn], np.float64))
            error = expected_error(bins(chances[-1], labels[-1]))
            print(f"{name} {split}: {counted(len(drawn), 'pair')}, expected calibration error {error:.3f}")  # noqa: T201
    found = bins(np.concatenate(chances), np.concatenate(labels))
    for one in found:
        share = f"{one.relevant:.3f} [{one.low:.3f}, {one.high:.3f}]"
        print(f"{one.pairs:5} pairs: mean score {one.said:.3f}, relevant {share}")  # noqa: T201
    print(f"all: expected calibration error {expected_error(found):.3f}")  # noqa: T201
    if options.out:
        draw(found, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
