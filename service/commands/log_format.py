"""The log format of all commands: one line per event, on stderr."""

import logging


def configure_logging(level: str) -> None:
    """Log messages of `level` and above to stderr."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level.upper(), force=True)
