"""The ONNX Runtime session: the only module for serving that imports ONNX Runtime.

It opens an artefact's graph on a device, rejects a graph that is not a one-label cross-encoder, and turns a batch of
pairs into fp32 logits. On the CPU, `inference_threads` single-threaded runs go on at the same time; if there is nothing
else to run, all CPUs work on one pair (`run_single`), with the same logit. A GPU takes one run at a time, in batches
that are padded up to a token budget. Everything that differs between devices is in `models.devices`.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models import tuning
from models.artefact import Artefact, ArtefactError, OptionError
from models.batching import NO_BATCHING, RUN_COST_TOKENS, DeviceOutOfMemory, RunFailed
from models.cpus import usable_cpus
from models.devices import CPU, Device
from models.pair import Logits, Pair

# ONNX Runtime's library reads this variable when it is loaded, so it must be set before the import. Telemetry is off
# unless the user turns it on (docs/decisions/0004).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from models.wording import counted

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"
DISABLED_OPTIMIZERS = "optimization.disable_specified_optimizers"
"""ONNX Runtime's setting for graph optimisations that are left out, separated by semicolons."""
STATUS_MESSAGE = "Status Message: "
"""What precedes the cause in an error of ONNX Runtime that a node of the graph raised."""
INPUT_TYPES: dict[str, npt.DTypeLike] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
"""The types of the inputs that a graph may have, by ONNX Runtime's names."""
OUTPUT_TYPES = ("tensor(float)", "tensor(float16)", "tensor(double)")
FATAL_ONLY = 4
"""ONNX Runtime's log level: its errors are raised as exceptions and would otherwise be repeated on stderr."""


def available_providers() -> list[str]:
    """List the execution providers of the installed ONNX Runtime."""
    return list(ort.get_available_providers())


class Session:
    """An open graph. `run` may be called from `inference_threads` threads at a time.

    Args:
        artefact: the model, whose graph is opened.
        device: the device to run on.
        threads: the number of concurrent runs on a device that is not exclusive; 0 for one per usable CPU.
        max_batch_tokens: the padded tokens per batch; None for the device's default.
        gpu_memory_bytes: the device memory that ONNX Runtime may use; 0 for no limit.

    Raises:
        ArtefactError: the graph cannot be opened or is not a one-label cross-encoder.
    """

    def __init__(
        self,
        artefact: Artefact,
        device: Device,
        *,
        threads: int = 0,
        max_batch_tokens: int | None = None,
        gpu_memory_bytes: int = 0,
    ) -> None:
        self.device = device
        self.inference_threads = 1 if device.exclusive else threads or usable_cpus()
        self.max_batch_tokens = _budget(artefact, device, max_batch_tokens)
        self.run_cost_tokens = RUN_COST_TOKENS
        self._untuned = device.tuned and max_batch_tokens is None and artefact.manifest.batchable
        self._artefact = artefact
        self._session = _open(artefact, device, gpu_memory_bytes)
        has_wide = self.inference_threads > 1 and self.max_batch_tokens == NO_BATCHING
        self._wide = _open(artefact, device, threads=self.inference_threads) if has_wide else self._session
        self._inputs = _check_graph(artefact, self._session)
        self.takes_batches = not any(_fixed_batch(node) for node in self._session.get_inputs())

    def run(self, batch: Sequence[Pair]) -> Logits:
        """Score a batch of pairs; return logits, float32 [len(batch)], in the order of the batch.

        Raises:
            DeviceOutOfMemory: the batch does not fit into the device's memory.
            RunFailed: the graph fails on the batch, for example on a token id that its word table does not have.
        """
        return self._run(self._session, batch)

    def run_single(self, batch: Sequence[Pair]) -> Logits:
        """Score a batch like `run`, but with all CPUs; meant for when there is nothing else to run."""
        return self._run(self._wide, batch)

    def _run(self, session: ort.InferenceSession, batch: Sequence[Pair]) -> Logits:
        manifest = self._artefact.manifest
        arrays = pad(batch, manifest.pad_token_id, self.device.length_multiple, manifest.max_tokens)
        feeds = {name: arrays[name].astype(kind, copy=False) for name, kind in self._inputs.items()}
        try:
            if self.device.output_memory is None:
                (logits,) = session.run([OUTPUT], feeds)
            else:
                logits = run_bound(session, feeds, self.device.output_memory)
        except Exception as error:
            if self.device.is_out_of_memory(error):
                raise DeviceOutOfMemory(str(error)) from error
            raise RunFailed(_in_one_line(error)) from error
        return _one_label(logits, len(batch))

    def warm_up(self, pair: Pair) -> None:
        """Run one pair, so that the graph is known to work and the first request finds a warm session.

        Then, if the device's batch budget is tuned and the user did not set one, measure the best budget or read an
        earlier measurement.

        Raises:
            ArtefactError: the graph fails or does not return one finite logit per pair.
        """
        try:
            logits = self.run([pair])
            self.run_single([pair])
        except ArtefactError:
            raise
        except Exception as error:
            raise ArtefactError(f"the model fails on a short test pair: {error}") from error
        if not np.isfinite(logits).all():
            raise ArtefactError(f"the model returned {logits[0]} for a short test pair instead of a finite logit")
        if self._untuned:
            self._tune()

    def _tune(self) -> None:
        """Set the batch budget that was measured on this device; store the measurement beside the artefact."""
        manifest, folder = self._artefact.manifest, self._artefact.folder
        measured_on = (self.device.hardware_name(), ort.__version__, manifest.files[manifest.graph].sha256)
        kept = tuning.read(folder)
        if kept is None or not kept.is_of(*measured_on):
            seconds = tuning.measure(self.run, length=min(tuning.LENGTH, manifest.max_tokens))
            if not seconds:  # not even the smallest fits
                return
            kept = tuning.Tuning(*measured_on, seconds, *tuning.choose(seconds))
            tuning.write(kept, folder)
        self.max_batch_tokens, self.run_cost_tokens = kept.max_batch_tokens, kept.run_cost_tokens


def run_bound(session: ort.InferenceSession, feeds: dict[str, Any], memory: str) -> Any:
    """Run with the output bound to a device's memory: one copy to the device and one copy back."""
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    binding.bind_output(OUTPUT, memory)
    session.run_with_iobinding(binding)
    (logits,) = binding.copy_outputs_to_cpu()
    return logits


def _budget(artefact: Artefact, device: Device, max_batch_tokens: int | None) -> int:
    if not artefact.manifest.batchable:
        if max_batch_tokens:
            raise OptionError(
                "max_batch_tokens",
                f"{artefact.manifest.name} is to be run one pair at a time (its scores depend on their batch): "
                f"leave {OptionError.NAME} unset",
            )
        return NO_BATCHING
    return device.max_batch_tokens if max_batch_tokens is None else max_batch_tokens


def session_options(device: Device, threads: int = 1) -> ort.SessionOptions:
    """Return ONNX Runtime's options for graphs on a device, with this many threads in a run."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns are kept per shape, and every length is a shape of its own
    options.add_session_config_entry(DISABLED_OPTIMIZERS, ";".join(device.disabled_optimizers))
    return options


def _open(artefact: Artefact, device: Device, gpu_memory_bytes: int = 0, *, threads: int = 1) -> ort.InferenceSession:
    options = session_options(device, threads)
    providers: dict[str, dict[str, Any]] = {device.provider: device.provider_options(gpu_memory_bytes)}
    providers.setdefault(CPU.provider, {})  # runs the operators for which the device has no kernel
    if device.preloads_libraries:
        ort.preload_dlls()
    try:
        session = ort.InferenceSession(str(artefact.graph), options, providers=list(providers.items()))
    except Exception as error:
        why = " ".join(str(error).split())[:500]
        raise ArtefactError(f"{artefact.graph} does not open in ONNX Runtime {ort.__version__}: {why}") from error
    if session.get_providers()[0] != device.provider:
        raise OptionError(
            "device",
            f"{device.name.upper()} is installed but does not start (check the driver and the CUDA libraries): "
            f"set {OptionError.NAME} to {CPU.name} to run on the CPU",
        )
    return session


def _check_graph(artefact: Artefact, session: ort.InferenceSession) -> dict[str, npt.DTypeLike]:
    """Check that a graph reads pairs and returns one logit per pair; return the type of each of its inputs by name."""
    inputs = {node.name: node for node in session.get_inputs()}
    if "input_ids" not in inputs or not inputs.keys() <= set(INPUTS):
        raise ArtefactError(
            f"{artefact.graph} has the inputs {', '.join(sorted(inputs))}; "
            "a cross-encoder has input_ids, attention_mask and, if it is BERT-like, token_type_ids"
        )
    for node in inputs.values():
        _check_input(artefact, node)
    outputs = {node.name: node for node in session.get_outputs()}
    if OUTPUT not in outputs:
        raise ArtefactError(f"{artefact.graph} has the outputs {', '.join(outputs)}; a cross-encoder has {OUTPUT}")
    shape, kind = outputs[OUTPUT].shape, outputs[OUTPUT].type
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != 1):
        raise ArtefactError(f"{artefact.graph} returns {OUTPUT} of shape {shape}; a reranker has one label: [batch, 1]")
    if kind not in OUTPUT_TYPES:
        raise ArtefactError(f"{artefact.graph} returns {OUTPUT} of type {kind}; a reranker returns floats")
    return {name: INPUT_TYPES[node.type] for name, node in inputs.items()}


def _fixed_batch(node: ort.NodeArg) -> int:
    """Return the number of pairs that an input takes, if it takes no other number, else 0."""
    return node.shape[0] if node.shape and isinstance(node.shape[0], int) else 0


def _check_input(artefact: Artefact, node: ort.NodeArg) -> None:
    """Check that an input is [batch, sequence] of integers, with lengths of any size."""
    if node.type not in INPUT_TYPES:
        raise ArtefactError(
            f"{artefact.graph} has the input {node.name} of type {node.type}; "
            f"a cross-encoder reads {' or '.join(INPUT_TYPES)}: export the graph again with int64 inputs"
        )
    if node.shape and (len(node.shape) != 2 or isinstance(node.shape[1], int) or _fixed_batch(node) > 1):
        raise ArtefactError(
            f"{artefact.graph} has the input {node.name} of the fixed shape {node.shape}, but pairs differ in length "
            "and number: export the graph again with dynamic axes, [batch, sequence]"
        )


def pad(batch: Sequence[Pair], pad_token_id: int, multiple: int, max_tokens: int) -> dict[str, Any]:
    """Arrange a batch as int64 arrays [pairs, longest], padded on the right; a single pair is not copied.

    The length is rounded up to a multiple, but never beyond `max_tokens`, where the model has no positions.
    """
    longest = max(len(pair) for pair in batch)
    padded = max(longest, min(longest + -longest % multiple, max_tokens))
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


def _in_one_line(error: Exception) -> str:
    """Return the cause that ONNX Runtime gives, without the codes before it and the stack below it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rpartition(STATUS_MESSAGE)[2][:300]


def _one_label(logits: Any, pairs: int) -> Logits:
    if logits.shape != (pairs, 1):
        raise ArtefactError(
            f"the model returned logits of shape {logits.shape} for {counted(pairs, 'pair')}, not ({pairs}, 1)"
        )
    return np.asarray(logits[:, 0], dtype=np.float32)
