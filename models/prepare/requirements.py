"""Which packages preparing needs that serving does not; imports none of them, so it can be asked first."""

from importlib.util import find_spec

FOR_GRAPHS = ("onnx", "huggingface_hub")
FOR_WEIGHTS = ("torch", "transformers", "safetensors", "onnxscript")


def missing_packages(*, from_onnx: bool) -> list[str]:
    """Name the packages that are not installed; a ready graph needs fewer."""
    wanted = FOR_GRAPHS if from_onnx else FOR_GRAPHS + FOR_WEIGHTS
    return [name for name in wanted if find_spec(name) is None]
