"""The console script `rerank`: one sentence instead of a traceback if ONNX Runtime is not installed."""


def main() -> None:
    """Run the command line."""
    try:
        from service.commands.group import rerank
    except ModuleNotFoundError as missing:
        if missing.name != "onnxruntime":
            raise
        raise SystemExit(
            "rerank needs ONNX Runtime: run pip install -e '.[cpu]' in the checkout, or '.[gpu]' for CUDA"
        ) from None
    rerank()
