"""The console script `rerank-bench`: a sentence instead of a trace where the bench's extra is not installed."""

EXTRA = {"bm25s", "httpx", "ir_measures", "jinja2", "matplotlib", "pyarrow", "Stemmer"}


def main() -> None:
    """Run the command line."""
    try:
        from bench.cli import main as rerank_bench
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA:
            raise
        raise SystemExit(
            "rerank-bench needs its extra: in the checkout, make .venv/.bench; or pip install -e '.[bench]' there"
        ) from None
    rerank_bench()
