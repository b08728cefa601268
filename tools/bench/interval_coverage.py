"""Measure how often the bootstrap intervals contain the true rating: `python -m tools.bench.interval_coverage`.

It simulates tournaments of contestants with known ratings, every pair on every query, and prints the share of the 95 %
intervals that contain the true rating.
"""

import click
import numpy as np

from bench.arena.standings import Outcome, standings

TRUE = {"a": 1620.0, "b": 1540.0, "c": 1490.0, "d": 1350.0}
"""The true ratings; their mean is 1500, like that of estimated ratings."""
NAMES = sorted(TRUE)


def simulated(seed: int, queries: int) -> list[Outcome]:
    """Simulate a tournament of all pairs on all queries."""
    rng = np.random.default_rng([7, seed])
    outcomes = []
    for query in range(queries):
        for i, a in enumerate(NAMES):
            for b in NAMES[i + 1 :]:
                chance = 1 / (1 + 10 ** ((TRUE[b] - TRUE[a]) / 400))
                verdict = "a" if rng.random() < chance else "b"
                outcomes.append(Outcome(("simulated", f"q{query}", a, b), verdict))
    return outcomes


def covered(simulations: int, queries: int = 150, resamples: int = 500) -> float:
    """Return the share of all contestants' intervals that contain the true rating."""
    held = 0
    for seed in range(simulations):
        for standing in standings(simulated(seed, queries), seed, resamples).standings:
            held += standing.rating.low <= TRUE[standing.contestant] <= standing.rating.high
    return held / (simulations * len(NAMES))


@click.command(context_settings={"show_default": True})
@click.argument("simulations", default=200)
def main(simulations: int) -> None:
    """Simulate SIMULATIONS tournaments and print the share of intervals that contain the true rating."""
    click.echo(f"{covered(simulations):.4f} of {simulations * len(NAMES)} intervals contain the true rating")


if __name__ == "__main__":
    main()
