"""A minimal rerank server around sentence-transformers' CrossEncoder, so that it can be measured by URL.

It runs with the Python of a separate environment and adds as little as possible to the library: a lock around `predict`
with the library's defaults, the standard library's HTTP server, and responses in the shape of `/v1/rerank`.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def load(model: str, backend: str, dtype: str) -> Any:
    """Load the model on the CPU: torch in a dtype, or ONNX in fp32 or in int8 as quantised by the library itself."""
    from sentence_transformers import CrossEncoder, export_dynamic_quantized_onnx_model

    if backend == "torch":
        return CrossEncoder(model, device="cpu", model_kwargs={"torch_dtype": dtype})
    if dtype == "float32":
        return CrossEncoder(model, device="cpu", backend="onnx")
    instructions = dtype.removeprefix("int8-")
    file = f"onnx/model_qint8_{instructions}.onnx"
    if not (Path(model) / file).is_file():
        export_dynamic_quantized_onnx_model(CrossEncoder(model, device="cpu", backend="onnx"), instructions, model)
    return CrossEncoder(model, device="cpu", backend="onnx", model_kwargs={"file_name": file})


def handler(encoder: Any) -> type[BaseHTTPRequestHandler]:
    """Make a handler class that answers GET with 200 and POST with a ranking."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({"model": "sentence-transformers"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                scores = encoder.predict([(body["query"], document) for document in body["documents"]]).tolist()
            order = sorted(range(len(scores)), key=lambda index: -scores[index])
            self._answer({"results": [{"index": index, "relevance_score": scores[index]} for index in order]})

        def _answer(self, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    return Handler


def main() -> None:
    """Serve until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a checkpoint or hub id")
    parser.add_argument("--backend", choices=["torch", "onnx"], default="torch", help="backend (default: %(default)s)")
    parser.add_argument(
        "--dtype", default="float32", help="torch: float32, bfloat16; onnx: float32, int8-avx2, int8-avx512_vnni"
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")
    options = parser.parse_args()
    encoder = load(options.model, options.backend, options.dtype)
    encoder.predict([("warm", "up")])
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(encoder)).serve_forever()


if __name__ == "__main__":
    main()
