"""The number of CPUs this process may use, by CPU affinity and cgroup quota rather than by the host's CPU count."""

import math
import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""cgroup v2: "quota period" in microseconds, or "max period" where there is no limit."""


def usable_cpus(cpu_max: Path = _CPU_MAX) -> int:
    """Return the number of CPUs that may be used at the same time, at least 1; a fractional quota is rounded up."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota(cpu_max) or allowed))


def _quota(cpu_max: Path) -> int | None:
    try:
        quota, period = cpu_max.read_text().split()[:2]
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None
