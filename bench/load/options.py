"""The load test's own flags, beside locust's; its web page shows most of them as fields.

Their values stay text and numbers, because a master sends them to its workers as they are. `RECORDED` says which of
all flags a file of samples tells of: those that shape the figures, and no secret.
"""

from collections.abc import Sequence
from typing import Any

from bench.contestants import rerank
from bench.contestants.catalogue import DIALECTS
from bench.errors import BenchError
from bench.load import plans

DEFAULT_TAGS = (rerank.DIALECT.name,)
"""Without --tags every user speaks this project's own dialect alone."""

DEFAULT_RUN_TIME_S = 60
"""Of a load shape without --run-time."""
RECORDED = (
    *("users", "num_users", "spawn_rate", "run_time", "stop_timeout", "tags", "expect_workers"),
    *("data", "split", "documents", "top_n", "model", "pause", "seed", "shape"),
)
"""Flags that a record of samples tells of."""


def add_options(parser: Any, **_: Any) -> None:
    """Add them to locust's parser (argparse's, and `include_in_web_ui`)."""
    group = parser.add_argument_group("Reranker", "What is sent, when, and where the raw samples go")
    group.add_argument(
        "--data", default="sample", help="Dataset: a folder in BEIR layout, a name under RERANK_DATA, or `sample`."
    )
    group.add_argument("--split", default="test", help="Which qrels/<split>.tsv names the queries.")
    group.add_argument(
        "--documents",
        default="4,16,64",
        help="Documents a request, drawn from this list; one that comes twice is drawn twice as often.",
    )
    group.add_argument("--top-n", type=int, default=0, help="Results to ask for; 0 for all.")
    group.add_argument("--model", default="", help="Model name to send; none is sent without it.")
    group.add_argument(
        "--pause",
        default="none",
        help="Between a user's requests: none, constant:SECONDS, between:SECONDS:SECONDS, poisson:RATE, "
        "constant_pacing:SECONDS or constant_throughput:RATE. All are closed loops: a user waits for its answer first, "
        "so a rate is the most that is sent, not what is sent. `rerank-bench latency` has open ones.",
    )
    group.add_argument("--seed", type=int, default=0, help="Of the draws.")
    parser.add_argument(
        "--shape",
        choices=["none", *plans.SHAPES],
        default="none",
        include_in_web_ui=False,
        help="Users over --run-time, up to --users: step (a quarter, half, three quarters, all), spike (all for the "
        "middle fifth, else a tenth), soak (all after the first tenth).",
    )
    parser.add_argument(
        "--samples",
        default="",
        metavar="FILE",
        include_in_web_ui=False,
        help="Write every request to FILE as JSON Lines.",
    )


def check_tags(tags: Sequence[str]) -> None:
    """BenchError where one of them is no dialect: locust alone would run nothing and say little."""
    for name in tags:
        if name not in DIALECTS:
            raise BenchError(f"there is no dialect {name!r}: the tags are {', '.join(DIALECTS)}")
