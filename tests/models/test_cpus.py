"""Usable CPUs: the cgroup's quota counts, not only the host's cores."""

import os
from pathlib import Path

import pytest

from models.cpus import usable_cpus

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("100000 100000\n", 1),
        ("150000 100000\n", min(2, CORES)),
        ("max 100000\n", CORES),
        ("nonsense", CORES),
        ("10000 100000", 1),
    ],
)
def test_a_quota_bounds_the_count(tmp_path: Path, content: str, expected: int) -> None:
    """A quota of one CPU's time means one run at a time, however many cores the host has."""
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text(content)
    assert usable_cpus(cpu_max) == expected


def test_without_a_cgroup_the_affinity_counts(tmp_path: Path) -> None:
    """No cpu.max file, no quota."""
    assert usable_cpus(tmp_path / "none") == CORES
