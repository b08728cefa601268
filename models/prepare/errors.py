"""The error that preparing a model raises.

PrepareError is an ArtefactError, so commands that serve, list or prepare models handle one class.
"""

from models.artefact import ArtefactError


class PrepareError(ArtefactError):
    """A step failed; the message says which model or file is at fault, what is wrong and how to fix it."""


def reason(error: BaseException) -> str:
    """Return the root cause of a library's error, which may be pages long, in one line.

    A first line that ends in a colon announces the cause, which is in the second.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, KeyError):  # its message is the key alone
        return f"unknown name {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return told[:300] or type(error).__name__
