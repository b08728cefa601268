"""The packages that preparing needs in addition to serving, checked without importing them."""

from importlib.util import find_spec

FOR_GRAPHS = ("onnx", "huggingface_hub", "transformers")
FOR_WEIGHTS = ("torch", "safetensors", "onnxscript")


def missing_packages(*, from_onnx: bool) -> list[str]:
    """List the needed packages that are not installed; preparing from an ONNX graph needs fewer."""
    wanted = FOR_GRAPHS if from_onnx else FOR_GRAPHS + FOR_WEIGHTS
    return [name for name in wanted if find_spec(name) is None]
