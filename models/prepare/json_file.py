"""Read a small JSON file of a checkpoint, such as config.json."""

from pathlib import Path
from typing import Any

import msgspec

from models.prepare import reading
from models.prepare.errors import PrepareError


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's JSON object, empty if there is no file; raise PrepareError if it is anything else."""
    if not path.is_file():
        return {}
    try:
        return msgspec.convert(reading.read_json(path, str(path)), dict[str, Any])
    except ValueError as error:  # msgspec's ValidationError is one
        raise PrepareError(f"{path} is not a JSON object: {error}") from None
