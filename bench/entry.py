"""The console script `rerank-bench`: prints what to install when the bench's dependencies are missing."""

EXTRA = {"bm25s", "httpx", "ir_measures", "jinja2", "matplotlib", "pyarrow", "Stemmer"}


def main() -> None:
    """Run the command line."""
    try:
        from bench.cli import main as rerank_bench
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA:
            raise
        raise SystemExit(
            "rerank-bench needs extra packages: run `make .venv/.bench` or `pip install -e '.[bench]'` in the checkout"
        ) from None
    rerank_bench()
