"""The console script `rerank`: a sentence instead of a trace where ONNX Runtime is not installed."""


def main() -> None:
    """Run the command line."""
    try:
        from service.commands.group import rerank
    except ModuleNotFoundError as missing:
        if missing.name != "onnxruntime":
            raise
        raise SystemExit(
            "rerank needs ONNX Runtime: in the checkout, pip install -e '.[cpu]', or '.[gpu]' for CUDA"
        ) from None
    rerank()
