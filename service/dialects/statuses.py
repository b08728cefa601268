"""The HTTP status of an error in a dialect: the error's own, or 400 instead of 422."""

from service.errors import InvalidRequest, RerankError


def own(error: RerankError) -> int:
    """Return the error's own status."""
    return error.status


def bad_request(error: RerankError) -> int:
    """Return 400 for an invalid request, else the error's own status."""
    return 400 if isinstance(error, InvalidRequest) else error.status
