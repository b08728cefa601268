"""Provenance: what a reader must know about a record to trust or to reproduce it.

Gathers the bench's commit, the client machine, the versions that affect the figures and the settings of the run; the
caller passes the server's own information. Unknown facts are None, never guessed.
"""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.records import Provenance

PACKAGES = (
    "rerank-server",
    "httpx",
    "ir-measures",
    "pytrec-eval-terrier",
    "bm25s",
    "PyStemmer",
    "numpy",
    "msgspec",
    "pyarrow",
)


def gather(url: str | None, server: dict[str, Any] | None, settings: dict[str, Any]) -> Provenance:
    """Return the provenance of a record made now for the reranker at `url` with `settings`."""
    return Provenance(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(Path(__file__).resolve()),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        settings=settings,
        client_cpu=_cpu_name(Path("/proc/cpuinfo")),
        client_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        client_system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions={"python": platform.python_version()} | {name: v for name in PACKAGES if (v := _version(name))},
        url=url,
        server=server,
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(source: Path) -> str | None:
    """Return the commit of the checkout that tracks `source`; None for an installed copy."""
    if _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    head = _git(source.parent, "rev-parse", "HEAD")
    changed = _git(source.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if head and changed else head


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments, nothing from the user
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],  # noqa: S607  # whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
