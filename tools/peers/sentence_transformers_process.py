"""Run sentence-transformers' CrossEncoder as a process: `sentence_transformers_process.py MODEL REVISION DEVICE DTYPE`.

For each JSON line {"query", "documents"} or {"matmul": size} on stdin it writes a JSON line {"seconds", ...} to stdout.
"""

import argparse
import json
import sys
import time
from typing import Any


def main() -> None:
    """Answer lines until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of a checkpoint or hub id")
    parser.add_argument("revision", help="revision on the hub; empty for a folder")
    parser.add_argument("device", choices=["cpu", "cuda"], help="device to run on")
    parser.add_argument("dtype", choices=["float32", "float16", "bfloat16"], help="torch dtype of the model")
    options = parser.parse_args()
    import torch
    from sentence_transformers import CrossEncoder

    kwargs = {"dtype": getattr(torch, options.dtype), "attn_implementation": "sdpa"}
    revision = options.revision or None
    encoder = CrossEncoder(
        options.model, revision=revision, device=options.device, trust_remote_code=False, model_kwargs=kwargs
    )
    _write({"ready": torch.get_num_threads(), "torch": torch.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        if "matmul" in request:
            _write(matmul(request["matmul"], options.device, options.dtype))
        else:
            _write(score(encoder, request, options.device))


def score(encoder: Any, request: dict[str, Any], device: str) -> dict[str, object]:
    """Time one call as in the library's documentation: `predict` with its default batch size of 32."""
    import torch

    pairs = [(request["query"], document) for document in request["documents"]]
    start = time.perf_counter()
    scores = encoder.predict(pairs, show_progress_bar=False)
    if device == "cuda":
        torch.cuda.synchronize()
    return {"seconds": time.perf_counter() - start, "scores": [float(one) for one in scores]}


def matmul(size: int, device: str, dtype: str, runs: int = 20) -> dict[str, object]:
    """Measure the device's matmul rate in FLOP/s: the best of several products of square matrices."""
    import torch

    left, right = (torch.randn(size, size, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return {"seconds": best, "flops": 2 * size**3 / best}


def _write(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
