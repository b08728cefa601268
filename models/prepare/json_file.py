"""Read a small JSON file of a checkpoint, such as config.json."""

from pathlib import Path
from typing import Any

import msgspec

from models.prepare.errors import PrepareError


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's JSON object, empty if there is no file; raise PrepareError if it is anything else."""
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrepareError(f"{path} is not a JSON object: {error}") from None
