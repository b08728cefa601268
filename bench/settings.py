"""The bench's settings from environment variables; no other file reads the environment.

Owns `RERANK_DATA` (the folder that holds datasets by name), `BENCH_MIRROR` (a mirror to fetch datasets from), the API
keys (every variable that ends in `_API_KEY`; the contestant decides which one is used), and the environment of a server
that the bench starts. The command line builds one frozen object and passes it on, so that tests can build their own.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import ContestantError

DATA_VARIABLE = "RERANK_DATA"
MIRROR_VARIABLE = "BENCH_MIRROR"
KEY_SUFFIX = "_API_KEY"
EMBEDDINGS_KEY = "EMBEDDINGS_API_KEY"
"""Variable with the API key of the embeddings server."""


@dataclass(frozen=True)
class Settings:
    """The settings that the bench reads from the environment."""

    data_root: Path | None = None
    mirror: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """API keys by environment variable; never printed or recorded."""

    def key(self, variable: str) -> str | None:
        """Return the key in `variable`; ContestantError if it cannot be sent in a header."""
        key = self.keys.get(variable)
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ContestantError(f"{variable} contains a space, a line break or a non-ASCII character")
        return key

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; an empty variable counts as unset."""
        given = os.environ if environment is None else environment
        root = given.get(DATA_VARIABLE, "")
        keys = {name: value.strip() for name, value in given.items() if name.endswith(KEY_SUFFIX) and value.strip()}
        return cls(
            data_root=Path(root).expanduser() if root else None, mirror=given.get(MIRROR_VARIABLE) or None, keys=keys
        )


def server_environment() -> dict[str, str]:
    """Return the environment for a server that the bench starts.

    It lacks the bench's own variable, which a server may reject as unknown, and has this interpreter's folder first on
    the path, so that `rerank` is found in a virtual environment that is not activated.
    """
    environment = {name: value for name, value in os.environ.items() if name != DATA_VARIABLE}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return environment


def import_environment() -> dict[str, str]:
    """Return the environment for a Python process that imports the bench from wherever this one did."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}
