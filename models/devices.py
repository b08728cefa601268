"""The devices that a model can run on: one value for each, which holds all that differs between them.

`session.py` asks the value and never compares names, so a new device is one value in `DEVICES` and its name in
`DeviceChoice`. ONNX Runtime is not imported here: callers say which of its execution providers are installed
(`session.available_providers`).
"""

import platform
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from models.artefact import ArtefactError, Precision
from models.batching import NO_BATCHING

DeviceChoice = Literal["auto", "cpu", "cuda"]
"""What a user can ask for: a device's name, or `auto` for the first of `DEVICES` that suits."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """How a graph is run on one kind of device."""

    name: str
    """The name that users type and `/info` reports."""
    provider: str
    """ONNX Runtime's execution provider."""
    extra: str
    """The extra of this project that installs an ONNX Runtime with that provider."""
    provider_options: Callable[[int], dict[str, Any]]
    """Makes the provider's options from the limit of the device's memory in bytes; 0 for no limit."""
    preloads_libraries: bool
    """The provider's libraries are Python packages, which must be loaded before the session is opened."""
    exclusive: bool
    """One run fills the device: runs go one after another, from one process. Otherwise there are as many
    single-threaded runs at a time as there are usable CPUs."""
    length_multiple: int
    """Batches are padded to a multiple of this, in tokens."""
    max_batch_tokens: int
    """Default budget of a batch in padded tokens, or `NO_BATCHING`."""
    tuned: bool
    """The warm-up measures the best budget, unless the user sets one (`models.tuning`)."""
    hardware_name: Callable[[], str]
    """Names the very chip, so that what was measured on another one is not used."""
    precisions: tuple[Precision, ...]
    """The precisions to serve, the most suitable first."""
    auto_precisions: frozenset[Precision]
    """The precisions for which `auto` chooses this device."""
    output_memory: str | None
    """ONNX Runtime's name of the memory to which inputs and outputs are bound; None where nothing needs copying."""
    out_of_memory_messages: tuple[str, ...]
    """Parts of the errors that ONNX Runtime raises where a batch does not fit the device's memory."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Tell whether an error of ONNX Runtime means that the device's memory is too small for the batch."""
        return any(message in str(error) for message in self.out_of_memory_messages)


def _nvidia_name() -> str:
    """The GPU's name, by its driver's own tool."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return names.splitlines()[0].strip() if names.strip() else "unknown"


def _cuda_options(memory_bytes: int) -> dict[str, Any]:
    # kSameAsRequested: the arena grows by what a shape needs, not by powers of two for each new shape
    limit = {"gpu_mem_limit": memory_bytes} if memory_bytes else {}
    return {"arena_extend_strategy": "kSameAsRequested", **limit}


CPU = Device(
    name="cpu",
    provider="CPUExecutionProvider",
    extra="cpu",
    provider_options=lambda _: {},
    preloads_libraries=False,
    exclusive=False,
    length_multiple=1,
    max_batch_tokens=NO_BATCHING,  # the fastest way, and the only batch-invariant one (docs/decisions/0002)
    tuned=False,
    hardware_name=platform.machine,
    precisions=("int8", "fp32", "fp16"),
    auto_precisions=frozenset({"int8", "fp32", "fp16"}),
    output_memory=None,
    out_of_memory_messages=(),
)
CUDA = Device(
    name="cuda",
    provider="CUDAExecutionProvider",
    extra="gpu",
    provider_options=_cuda_options,
    preloads_libraries=True,
    exclusive=True,
    # The matrix units work in eights, and the arena sees fewer shapes. Sixteen would cost 4 % of the tokens of real
    # passages in padding, eight costs 2 % (tools/engine/lengths.py).
    length_multiple=8,
    max_batch_tokens=16_384,  # until it is measured: about 10 TFLOP at 568 M parameters, tens of milliseconds
    tuned=True,
    hardware_name=_nvidia_name,
    precisions=("fp16", "fp32", "int8"),
    auto_precisions=frozenset({"fp16", "fp32"}),  # int8 graphs are made for the CPU
    output_memory="cuda",
    out_of_memory_messages=("Failed to allocate memory", "out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "BFCArena"),
)
DEVICES = (CUDA, CPU)
"""Every device, in the order in which `auto` tries them."""


def choose_device(choice: DeviceChoice, precision: Precision, providers: Collection[str]) -> Device:
    """Choose where to run a graph.

    Args:
        choice: what the user asked for.
        precision: of the graph.
        providers: ONNX Runtime's execution providers that are installed.

    Raises:
        ArtefactError: the provider of the device that was asked for is not installed.
    """
    if choice == "auto":
        return next(
            device for device in DEVICES if device.provider in providers and precision in device.auto_precisions
        )
    device = _named(choice)
    if device.provider not in providers:
        raise ArtefactError(
            f"device {device.name} was asked for, but this ONNX Runtime has no {device.name.upper()}: "
            f"install the {device.extra} extra"
        )
    return device


def preferred_precisions(choice: DeviceChoice, providers: Collection[str]) -> tuple[Precision, ...]:
    """Order the precisions for a device, the most suitable first; `auto` means the first device that is installed."""
    if choice == "auto":
        return next(device for device in DEVICES if device.provider in providers).precisions
    return _named(choice).precisions


def _named(name: str) -> Device:
    return next(device for device in DEVICES if device.name == name)
