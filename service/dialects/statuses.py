"""The status that a dialect gives an error: this server's own, or 400 for what is 422 here."""

from service.errors import InvalidRequest, RerankError


def own(error: RerankError) -> int:
    """The error's own status."""
    return error.status


def bad_request(error: RerankError) -> int:
    """400 for a request that cannot be answered, else the error's own."""
    return 400 if isinstance(error, InvalidRequest) else error.status
