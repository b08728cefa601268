"""The load test's own flags, in addition to locust's; locust's web page shows most of them as fields.

Their values stay text and numbers, because a master sends them to its workers unchanged. `RECORDED` lists the flags
that are written into a samples file: those that affect the figures, and no secrets.
"""

from collections.abc import Sequence
from typing import Any

from bench.contestants import rerank
from bench.contestants.catalogue import DIALECTS
from bench.errors import BenchError
from bench.load import plans

DEFAULT_TAGS = (rerank.DIALECT.name,)
"""Without --tags, users send requests in this project's own dialect only."""

DEFAULT_RUN_TIME_S = 60
"""Duration of a load shape without --run-time."""
RECORDED = (
    *("users", "num_users", "spawn_rate", "run_time", "stop_timeout", "tags", "expect_workers"),
    *("data", "split", "documents", "top_n", "model", "pause", "seed", "shape"),
)
"""Flags that are written into a samples file."""


def add_options(parser: Any, **_: Any) -> None:
    """Add the flags to locust's argument parser (argparse's, with `include_in_web_ui` as a further argument)."""
    group = parser.add_argument_group("Reranker", "Requests to send, pauses between them, and the raw samples")
    group.add_argument(
        "--data",
        default="sample",
        help="Dataset: a folder in BEIR layout, the name of a folder in RERANK_DATA, or `sample`.",
    )
    group.add_argument(
        "--split", default="test", help="Split to use: the queries are those judged in qrels/<split>.tsv."
    )
    group.add_argument(
        "--documents",
        default="4,16,64",
        help="Documents per request, picked at random from this list; repeat a number to pick it more often.",
    )
    group.add_argument("--top-n", type=int, default=0, help="Number of results to request; 0 requests all.")
    group.add_argument("--model", default="", help="Model name to send; by default none is sent.")
    group.add_argument(
        "--pause",
        default="none",
        help="Pause between a user's requests: none, constant:SECONDS, between:SECONDS:SECONDS, poisson:RATE, "
        "constant_pacing:SECONDS or constant_throughput:RATE. All are closed loops: a user waits for each answer "
        "before it sends the next request, so a rate is an upper limit. Open loops: `rerank-bench latency --rate`.",
    )
    group.add_argument("--seed", type=int, default=0, help="Random seed for the choice of requests.")
    parser.add_argument(
        "--shape",
        choices=["none", *plans.SHAPES],
        default="none",
        include_in_web_ui=False,
        help="Number of users over --run-time, up to --users: step (a quarter, half, three quarters, all), spike (a "
        "tenth, but all during the middle fifth), soak (all after the first tenth).",
    )
    parser.add_argument(
        "--samples",
        default="",
        metavar="FILE",
        include_in_web_ui=False,
        help="Write every request to FILE as JSON Lines.",
    )


def check_tags(tags: Sequence[str]) -> None:
    """Raise BenchError if a tag is not a dialect: locust itself would send nothing and give no clear error."""
    for name in tags:
        if name not in DIALECTS:
            raise BenchError(f"--tags: unknown dialect {name!r}; the dialects are {', '.join(DIALECTS)}")


def starts_at_once(options: Any) -> bool:
    """Tell whether the test starts without a web page, on which the user could still give or change flags."""
    return bool(options.headless or options.autostart)
