"""The error that preparing a model raises.

PrepareError is an ArtefactError, so commands that serve, list or prepare models handle one class.
"""

from models.artefact import ArtefactError


class PrepareError(ArtefactError):
    """A step failed; the message says which model or file is at fault, what is wrong and how to fix it."""


def reason(error: BaseException) -> str:
    """Return the root cause of a library's error, which may be pages long, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
