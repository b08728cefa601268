"""sentence-transformers' CrossEncoder as a process of its own environment: `peer.py MODEL REVISION DEVICE DTYPE`.

Reads a JSON line {"query", "documents"} or {"matmul": size}, answers with a JSON line {"seconds", ...}. Imports nothing
of ours: it runs where only the peer is installed.
"""

import json
import sys
import time

import torch
from sentence_transformers import CrossEncoder


def main(model: str, revision: str, device: str, dtype: str) -> None:
    """Answer lines until stdin ends."""
    options = {"dtype": getattr(torch, dtype), "attn_implementation": "sdpa"}
    encoder = CrossEncoder(
        model, revision=revision or None, device=device, trust_remote_code=False, model_kwargs=options
    )
    print(json.dumps({"ready": torch.get_num_threads(), "torch": torch.__version__}), flush=True)  # noqa: T201
    for line in sys.stdin:
        asked = json.loads(line)
        answer = matmul(asked["matmul"], device, dtype) if "matmul" in asked else score(encoder, asked, device)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol


def score(encoder: CrossEncoder, asked: dict[str, object], device: str) -> dict[str, object]:
    """Time one call as its documentation shows it: `predict` with its default batches of 32."""
    pairs = [(asked["query"], document) for document in asked["documents"]]  # type: ignore[attr-defined]
    start = time.perf_counter()
    scores = encoder.predict(pairs, show_progress_bar=False)
    if device == "cuda":
        torch.cuda.synchronize()
    return {"seconds": time.perf_counter() - start, "scores": [float(one) for one in scores]}


def matmul(size: int, device: str, dtype: str, runs: int = 20) -> dict[str, object]:
    """Measure the device's own rate: square products, the best of some runs, in FLOP/s."""
    left, right = (torch.randn(size, size, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return {"seconds": best, "flops": 2 * size**3 / best}


if __name__ == "__main__":
    main(*sys.argv[1:])
