"""How the commands log: to stderr, one line for each event."""

import logging


def configure_logging(level: str) -> None:
    """Log to stderr from `level` up."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level.upper(), force=True)
