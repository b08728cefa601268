"""Devices: what a user's word stands for, and that every device's value is whole."""

from typing import get_args

import pytest

from models.artefact import ArtefactError, Precision
from models.devices import CPU, CUDA, DEVICES, Device, DeviceChoice, choose_device, preferred_precisions
from models.session import available_providers

BOTH = [CUDA.provider, CPU.provider]


@pytest.mark.parametrize(
    ("choice", "precision", "providers", "chosen"),
    [
        ("auto", "fp16", BOTH, CUDA),
        ("auto", "fp32", BOTH, CUDA),
        ("auto", "int8", BOTH, CPU),
        ("auto", "fp32", [CPU.provider], CPU),
        ("auto", "fp16", [CPU.provider], CPU),
        ("cpu", "fp16", BOTH, CPU),
        ("cuda", "int8", BOTH, CUDA),
    ],
)
def test_the_device_is_chosen_by_what_is_installed_and_what_the_graph_is_for(
    choice: DeviceChoice, precision: Precision, providers: list[str], chosen: Device
) -> None:
    """int8 graphs stay on the CPU unless CUDA is asked for by name."""
    assert choose_device(choice, precision, providers) is chosen


def test_cuda_without_cuda_is_refused() -> None:
    """Asking for a GPU where this ONNX Runtime has none is an error, not a slow CPU server."""
    with pytest.raises(ArtefactError) as refusal:
        choose_device("cuda", "fp16", [CPU.provider])
    assert str(refusal.value) == (
        "device cuda was requested, but the installed ONNX Runtime has no CUDA support: install the gpu extra"
    )


def test_the_device_says_which_precision_comes_first() -> None:
    """fp16 is for CUDA, int8 for the CPU; auto means the first device that is installed."""
    assert preferred_precisions("cuda", [CPU.provider])[0] == "fp16"
    assert preferred_precisions("cpu", BOTH) == ("int8", "fp32", "fp16")
    assert preferred_precisions("auto", [CPU.provider]) == CPU.precisions
    assert preferred_precisions("auto", BOTH) == CUDA.precisions


@pytest.mark.parametrize(
    "message",
    [
        "Available memory of 5 is smaller: Failed to allocate memory for requested buffer of size 7",
        "bfc_arena: BFCArena::AllocateRawInternal",
    ],
)
def test_a_gpus_full_memory_is_known_by_its_words(message: str) -> None:
    """What ONNX Runtime says of its arena on CUDA; the CPU has no such words, and a failed node none of them."""
    assert CUDA.is_out_of_memory(RuntimeError(message))
    assert not CUDA.is_out_of_memory(RuntimeError("a node fails"))
    assert not CPU.is_out_of_memory(RuntimeError(message))


def test_a_gpus_memory_is_limited_only_where_a_limit_is_set() -> None:
    """In bytes; the arena grows by what a shape needs in both cases."""
    assert CUDA.provider_options(0) == {"arena_extend_strategy": "kSameAsRequested"}
    assert CUDA.provider_options(7) == {"arena_extend_strategy": "kSameAsRequested", "gpu_mem_limit": 7}


def test_users_can_name_every_device_and_no_other() -> None:
    """A device that is added to DEVICES is added to what users may type."""
    assert set(get_args(DeviceChoice)) == {"auto", *(device.name for device in DEVICES)}


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_a_device_ranks_every_precision(device: Device) -> None:
    """Whatever is prepared can be served; auto never chooses a device for a precision that it does not have."""
    assert sorted(device.precisions) == sorted(get_args(Precision))
    assert device.auto_precisions <= set(device.precisions)


def test_auto_always_ends_at_the_cpu() -> None:
    """Every ONNX Runtime has the CPU's provider, which takes every precision."""
    assert CPU.provider in available_providers()
    assert DEVICES[-1] is CPU
    assert CPU.auto_precisions == frozenset(get_args(Precision))
