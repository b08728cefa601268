"""What preparing a model raises. Its own file, so that a step can raise it without knowing the other steps.

PrepareError is an ArtefactError: who serves, lists or prepares models handles one class.
"""

from models.artefact import ArtefactError


class PrepareError(ArtefactError):
    """A step that cannot be done; the message says which model or file, what is wrong and what would be right."""
