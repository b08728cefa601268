"""How many CPUs this process may use: the scheduler's affinity and the cgroup's quota, not the host's count."""

import math
import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""cgroup v2: "quota period" in microseconds, or "max period" where there is no limit."""


def usable_cpus(cpu_max: Path = _CPU_MAX) -> int:
    """Count the CPUs that may be used at a time, at least 1; a fraction of a CPU counts as one."""
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
