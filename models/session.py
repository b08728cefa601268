"""The ONNX Runtime session: the only place that knows ONNX Runtime.

It opens an artefact's graph on a device, refuses a graph that is no one-label cross-encoder, and turns a batch of pairs
into fp32 logits. On the CPU every run is single-threaded and `lanes` of them go on at a time; a pair that is alone in
the house is run by all CPUs together instead (`run_single`), with the same logit. On a GPU one lane owns the device and
batches are padded to a token budget. The callers see only `lanes`, `max_batch_tokens`, `run_cost_tokens`,
`length_multiple`, `run` and `run_single`.
"""

import os
import subprocess
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from models import tuning
from models.artefact import Artefact, ArtefactError, Precision
from models.batching import NO_BATCHING, RUN_COST_TOKENS, DeviceOutOfMemory
from models.cpus import usable_cpus
from models.pair import Logits, Pair

# Read by ONNX Runtime's library when it is loaded, so it must stand before the import: reports to its maker are off
# unless the user turns them on (docs/decisions/0004).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

Device = Literal["auto", "cpu", "cuda"]

GPU_BATCH_TOKENS = 16_384
"""Padded tokens of a batch on a GPU until it is measured: about 10 TFLOP at 568 M parameters, tens of milliseconds."""
GPU_LENGTH_MULTIPLE = 8
"""Lengths are padded to a multiple of this on a GPU: its matrix units work in eights, and the arena sees fewer shapes.
Sixteen would cost 4 % of the tokens of real passages in padding, eight costs 2 % (tools/engine/lengths.py)."""
OUT_OF_MEMORY = ("Failed to allocate memory", "out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "BFCArena")
"""What ONNX Runtime says where a batch does not fit."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"
FATAL_ONLY = 4
"""ONNX Runtime's log level: its errors are raised, and would else stand on stderr a second time."""


class Session:
    """An open graph. `run` may be called from `lanes` threads at a time."""

    def __init__(
        self,
        artefact: Artefact,
        *,
        device: Device = "auto",
        threads: int = 0,
        max_batch_tokens: int | None = None,
        gpu_memory_bytes: int = 0,
    ) -> None:
        has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
        self.device = choose_device(device, artefact.manifest.precision, has_cuda=has_cuda)
        self.inference_threads = 1 if self.device == "cuda" else threads or usable_cpus()
        self.length_multiple = GPU_LENGTH_MULTIPLE if self.device == "cuda" else 1
        self.max_batch_tokens = _budget(artefact, self.device, max_batch_tokens)
        self.run_cost_tokens = RUN_COST_TOKENS
        self._untuned = self.device == "cuda" and max_batch_tokens is None and artefact.manifest.batchable
        self._artefact = artefact
        self._session = _open(artefact, self.device, gpu_memory_bytes)
        is_shared = self.device == "cpu" and self.inference_threads > 1 and self.max_batch_tokens == NO_BATCHING
        self._wide = _open(artefact, self.device, threads=self.inference_threads) if is_shared else self._session
        self._inputs = _check_graph(artefact, self._session)
        self._pad_token_id = artefact.manifest.pad_token_id

    def run(self, batch: Sequence[Pair]) -> Logits:
        """Score a batch: pairs in, logits of shape [len(batch)] out, float32, in the batch's order.

        Raises:
            DeviceOutOfMemory: the batch does not fit the device's memory.
        """
        return self._run(self._session, batch)

    def run_single(self, batch: Sequence[Pair]) -> Logits:
        """Score as `run` does, with all CPUs on one batch: for when nothing else is to be done."""
        return self._run(self._wide, batch)

    def _run(self, session: ort.InferenceSession, batch: Sequence[Pair]) -> Logits:
        arrays = _pad(batch, self._pad_token_id, self.length_multiple, self._artefact.manifest.max_tokens)
        feeds = {name: array for name, array in arrays.items() if name in self._inputs}
        if self.device != "cuda":
            (logits,) = session.run([OUTPUT], feeds)
            return _one_label(logits, len(batch))
        try:
            return _one_label(run_bound(session, feeds, self.device), len(batch))
        except Exception as error:
            if any(word in str(error) for word in OUT_OF_MEMORY):
                raise DeviceOutOfMemory(str(error)) from error
            raise

    def warm_up(self, pair: Pair) -> None:
        """Run one pair so that the first request finds a warm session and a graph that does run; then, on a GPU whose
        batches nobody has set, measure what they may be or read what was measured before.

        Raises:
            ArtefactError: the graph fails, or answers with something that is not one finite logit a pair.
        """
        try:
            logits = self.run([pair])
            self.run_single([pair])
        except ArtefactError:
            raise
        except Exception as error:
            raise ArtefactError(f"the model fails on a first short pair: {error}") from error
        if not np.isfinite(logits).all():
            raise ArtefactError(f"the model answers a first short pair with {logits[0]}, not with a finite logit")
        if self._untuned:
            self.tune()

    def tune(self) -> None:
        """Set what a batch may be as it is measured on this device; keep that beside the artefact."""
        manifest, folder = self._artefact.manifest, self._artefact.folder
        made_on = (device_name(), ort.__version__, manifest.files[self._artefact.graph.name].sha256)
        known = tuning.read(folder)
        if known is None or not known.is_of(*made_on):
            seconds = tuning.measure(self.run, length=min(tuning.LENGTH, manifest.max_tokens))
            if not seconds:  # not even the smallest fits
                return
            known = tuning.Tuning(*made_on, seconds, *tuning.choose(seconds))
            tuning.keep(known, folder)
        self.max_batch_tokens, self.run_cost_tokens = known.max_batch_tokens, known.run_cost_tokens


def choose_device(device: Device, precision: str, *, has_cuda: bool) -> Literal["cpu", "cuda"]:
    """Choose where to run; int8 graphs are made for the CPU and stay there unless CUDA is asked for by name.

    Raises:
        ArtefactError: CUDA is asked for where there is none.
    """
    if device == "cuda" and not has_cuda:
        raise ArtefactError("device cuda was asked for, but this ONNX Runtime has no CUDA: install the gpu extra")
    if device == "auto":
        return "cuda" if has_cuda and precision != "int8" else "cpu"
    return device


def device_name() -> str:
    """The GPU's name, by its driver's own tool."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return names.splitlines()[0].strip() if names.strip() else "unknown"


def run_bound(session: ort.InferenceSession, feeds: dict[str, Any], device: str) -> Any:
    """Run with inputs and output bound to a device: one copy there, one copy back, nothing in between."""
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    binding.bind_output(OUTPUT, device)
    session.run_with_iobinding(binding)
    (logits,) = binding.copy_outputs_to_cpu()
    return logits


def preferred_precisions(device: Device) -> tuple[Precision, ...]:
    """Order the precisions for a device, the fastest first; `auto` means CUDA where ONNX Runtime has it."""
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    return ("fp16", "fp32", "int8") if device == "cuda" or (device == "auto" and has_cuda) else ("int8", "fp32", "fp16")


def _budget(artefact: Artefact, device: str, max_batch_tokens: int | None) -> int:
    if not artefact.manifest.batchable:
        if max_batch_tokens:
            raise ArtefactError(
                f"{artefact.manifest.name} is to be run one pair at a time (its scores depend on their batch): "
                "leave max_batch_tokens unset"
            )
        return NO_BATCHING
    if max_batch_tokens is None:
        return GPU_BATCH_TOKENS if device == "cuda" else NO_BATCHING
    return max_batch_tokens


def _open(artefact: Artefact, device: str, gpu_memory_bytes: int = 0, *, threads: int = 1) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns are kept per shape, and every length is a shape of its own
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        ort.preload_dlls()
        # kSameAsRequested: the arena grows by what a shape needs, not by powers of two for each new shape
        settings: dict[str, Any] = {"arena_extend_strategy": "kSameAsRequested"}
        if gpu_memory_bytes:
            settings["gpu_mem_limit"] = gpu_memory_bytes
        providers.insert(0, ("CUDAExecutionProvider", settings))
    try:
        session = ort.InferenceSession(str(artefact.graph), options, providers=providers)
    except Exception as error:
        raise ArtefactError(f"{artefact.graph} does not open in ONNX Runtime {ort.__version__}: {error}") from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise ArtefactError(
            "CUDA is installed but does not start (driver or libraries): pass --device cpu to go without"
        )
    return session


def _check_graph(artefact: Artefact, session: ort.InferenceSession) -> frozenset[str]:
    """Refuse a graph that does not read pairs or does not answer with one label; return its inputs' names."""
    inputs = frozenset(node.name for node in session.get_inputs())
    if "input_ids" not in inputs or not inputs <= set(INPUTS):
        raise ArtefactError(
            f"{artefact.graph} has the inputs {', '.join(sorted(inputs))}; "
            "a cross-encoder has input_ids, attention_mask and, where it is BERT-like, token_type_ids"
        )
    outputs = {node.name: node.shape for node in session.get_outputs()}
    if OUTPUT not in outputs:
        raise ArtefactError(f"{artefact.graph} has the outputs {', '.join(outputs)}, but no {OUTPUT}")
    shape = outputs[OUTPUT]
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != 1):
        raise ArtefactError(f"{artefact.graph} answers {OUTPUT} of shape {shape}; a reranker has one label: [batch, 1]")
    return inputs


def _pad(batch: Sequence[Pair], pad_token_id: int, multiple: int, window: int) -> dict[str, Any]:
    """Lay a batch out as [pairs, longest] int64 arrays, padded on the right; a lone pair is not copied.

    The longest is rounded up to a multiple, but not beyond the window: the model has no places there.
    """
    longest = max(len(pair) for pair in batch)
    padded = max(longest, min(longest + -longest % multiple, window))
    if len(batch) == 1 and longest == padded:
        ids, types = batch[0].ids[np.newaxis], batch[0].types[np.newaxis]
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
    shape = (len(batch), padded)
    feeds = {name: np.zeros(shape, np.int64) for name in INPUTS}
    feeds["input_ids"].fill(pad_token_id)
    for row, pair in enumerate(batch):
        feeds["input_ids"][row, : len(pair)] = pair.ids
        feeds["attention_mask"][row, : len(pair)] = 1
        feeds["token_type_ids"][row, : len(pair)] = pair.types
    return feeds


def _one_label(logits: Any, pairs: int) -> Logits:
    if logits.shape != (pairs, 1):
        raise ArtefactError(f"the model answers {pairs} pairs with logits of shape {logits.shape}, not ({pairs}, 1)")
    return np.asarray(logits[:, 0], dtype=np.float32)
