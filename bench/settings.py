"""The environment as the bench reads it, and the only place that reads it.

Owns `RERANK_DATA`, the folder that holds datasets by name, and the environment handed to a server that the bench
starts. One frozen object, built once by the command line and passed on, so that tests give their own.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA_VARIABLE = "RERANK_DATA"


@dataclass(frozen=True)
class Settings:
    """What the bench takes from its surroundings."""

    data_root: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; an empty variable is an absent one."""
        given = os.environ if environment is None else environment
        root = given.get(DATA_VARIABLE, "")
        return cls(data_root=Path(root).expanduser() if root else None)


def server_environment() -> dict[str, str]:
    """The environment for a server started by the bench.

    Without the bench's own variable, which a server may refuse as unknown, and with this interpreter's folder
    first on the path, so that `rerank` is found in a virtual environment that is not activated.
    """
    environment = {name: value for name, value in os.environ.items() if name != DATA_VARIABLE}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return environment
