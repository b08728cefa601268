"""Process id, memory and CPU time, from the kernel, of a server started with `bench.local_server.local_server`."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def pid_of(url: str) -> int:
    """Return the process id of the server at a URL: the child of this process that was started with the URL's port.

    Raises:
        ProcessLookupError: no child of this process was started with that port.
    """
    port = url.rpartition(":")[2]
    for pid in _children(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if port in (word.rpartition(":")[2] for word in words):
            return pid
    raise ProcessLookupError(f"no child of this process serves {url}")


def resident_bytes(pid: int) -> dict[str, int]:
    """Return the resident memory of a process: current, peak, anonymous and file-backed, by the kernel's names."""
    status = Path(f"/proc/{pid}/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {name: int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")}


def processor_s(pid: int) -> float:
    """Return the CPU time in seconds that a process and its children have used."""
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in (pid, *_children(pid))]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS_PER_S


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
