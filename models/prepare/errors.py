"""What preparing a model raises. Its own file, so that a step can raise it without knowing the other steps.

PrepareError is an ArtefactError: who serves, lists or prepares models handles one class.
"""

from models.artefact import ArtefactError


class PrepareError(ArtefactError):
    """A step that cannot be done; the message says which model or file, what is wrong and what would be right."""


def reason(error: BaseException) -> str:
    """Say in one line what lies at the bottom of a library's error, which may be pages long."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
