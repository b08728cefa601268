"""The devices that a model can run on, one value each, which holds everything that differs between devices.

`session.py` reads these values and never compares device names, so a new device needs only a value in `DEVICES` and its
name in `DeviceChoice`. ONNX Runtime is not imported here: callers pass the installed execution providers
(`session.available_providers`).
"""

import platform
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from models.artefact import OptionError, Precision
from models.batching import NO_BATCHING

DeviceChoice = Literal["auto", "cpu", "cuda"]
"""The values of the device setting: a device's name, or `auto` for the first suitable one of `DEVICES`."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """How graphs run on one kind of device."""

    name: str
    """The name that users type and `/info` reports."""
    provider: str
    """ONNX Runtime's execution provider."""
    extra: str
    """This project's extra that installs an ONNX Runtime with the provider."""
    provider_options: Callable[[int], dict[str, Any]]
    """Return the provider's options for a limit of device memory in bytes; 0 for no limit."""
    disabled_optimizers: tuple[str, ...]
    """ONNX Runtime's graph optimisations that make models slower on this device."""
    preloads_libraries: bool
    """Whether the provider's libraries are Python packages that must be loaded before the session is opened."""
    exclusive: bool
    """Whether one run occupies the whole device, so that runs go one after another. Otherwise there is one
    single-threaded run per usable CPU at the same time."""
    length_multiple: int
    """Batches are padded to a multiple of this many tokens."""
    max_batch_tokens: int
    """The default budget of a batch in padded tokens, or `NO_BATCHING`."""
    tuned: bool
    """Whether the warm-up measures the best budget, unless the user sets one (`models.tuning`)."""
    hardware_name: Callable[[], str]
    """Return the name of the chip, so that measurements of another chip are not reused."""
    precisions: tuple[Precision, ...]
    """The precisions to serve, the most suitable first."""
    auto_precisions: frozenset[Precision]
    """The precisions for which `auto` chooses this device."""
    output_memory: str | None
    """ONNX Runtime's name of the memory to which the output is bound; None if nothing needs copying."""
    out_of_memory_messages: tuple[str, ...]
    """Substrings of the errors that ONNX Runtime raises when a batch does not fit into the device's memory."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Return whether an error of ONNX Runtime means that the batch does not fit into the device's memory."""
        return any(message in str(error) for message in self.out_of_memory_messages)


def _nvidia_name() -> str:
    """Return the name of the first GPU, as nvidia-smi reports it."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return names.splitlines()[0].strip() if names.strip() else "unknown"


def _cuda_options(memory_bytes: int) -> dict[str, Any]:
    # kSameAsRequested: the memory arena grows by what is needed, not by powers of two for each new shape
    limit = {"gpu_mem_limit": memory_bytes} if memory_bytes else {}
    return {"arena_extend_strategy": "kSameAsRequested", **limit}


CPU = Device(
    name="cpu",
    provider="CPUExecutionProvider",
    extra="cpu",
    provider_options=lambda _: {},
    disabled_optimizers=("SkipLayerNormFusion",),  # the fused operator is several times slower (docs/decisions/0019)
    preloads_libraries=False,
    exclusive=False,
    length_multiple=1,
    max_batch_tokens=NO_BATCHING,  # the fastest choice, and the only batch-invariant one (docs/decisions/0002)
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
    disabled_optimizers=(),
    preloads_libraries=True,
    exclusive=True,
    # The matrix units work in multiples of 8, and the arena sees fewer shapes. On real passages padding to 8 adds 2 %
    # of the tokens, padding to 16 would add 4 % (tools/engine/lengths.py).
    length_multiple=8,
    max_batch_tokens=16_384,  # until measured: about 10 TFLOP at 568 M parameters, tens of milliseconds
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
    """Choose the device on which to run a graph.

    Args:
        choice: the user's choice.
        precision: the precision of the graph.
        providers: the installed execution providers of ONNX Runtime.

    Raises:
        OptionError: the provider of the requested device is not installed.
    """
    if choice == "auto":
        return next(
            device for device in DEVICES if device.provider in providers and precision in device.auto_precisions
        )
    device = _named(choice)
    if device.provider not in providers:
        raise OptionError(
            "device",
            f"device {device.name} was requested, but the installed ONNX Runtime has no {device.name.upper()} support: "
            f"install the {device.extra} extra",
        )
    return device


def preferred_precisions(choice: DeviceChoice, providers: Collection[str]) -> tuple[Precision, ...]:
    """Return the precisions for a device, the most suitable first; `auto` means the first installed device."""
    if choice == "auto":
        return next(device for device in DEVICES if device.provider in providers).precisions
    return _named(choice).precisions


def _named(name: str) -> Device:
    return next(device for device in DEVICES if device.name == name)
