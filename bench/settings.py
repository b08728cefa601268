"""The environment as the bench reads it, and the only place that reads it.

Owns `RERANK_DATA`, the folder that holds datasets by name, `BENCH_MIRROR`, from which they are fetched instead of their
own addresses, the API keys (every variable that ends in `_API_KEY`; which
of them is used is the contestant's to say), and the environment handed to a server that the bench starts. One frozen
object, built once by the command line and passed on, so that tests give their own.
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
"""Of the server that dense candidates are asked of."""


@dataclass(frozen=True)
class Settings:
    """What the bench takes from its surroundings."""

    data_root: Path | None = None
    mirror: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """API keys by their variable; never printed and never recorded."""

    def key(self, variable: str) -> str | None:
        """The key in `variable`; ContestantError where no header can carry it."""
        key = self.keys.get(variable)
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ContestantError(f"the key in {variable} holds a space, a line break or a character that no key has")
        return key

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; an empty variable is an absent one."""
        given = os.environ if environment is None else environment
        root = given.get(DATA_VARIABLE, "")
        keys = {name: value.strip() for name, value in given.items() if name.endswith(KEY_SUFFIX) and value.strip()}
        return cls(
            data_root=Path(root).expanduser() if root else None, mirror=given.get(MIRROR_VARIABLE) or None, keys=keys
        )


def server_environment() -> dict[str, str]:
    """The environment for a server started by the bench.

    Without the bench's own variable, which a server may refuse as unknown, and with this interpreter's folder
    first on the path, so that `rerank` is found in a virtual environment that is not activated.
    """
    environment = {name: value for name, value in os.environ.items() if name != DATA_VARIABLE}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return environment
