"""A local server of the tests, served in a thread for the length of a block."""

import contextlib
import threading
from collections.abc import Iterator
from socketserver import BaseServer
from typing import TypeVar

Fake = TypeVar("Fake", bound=BaseServer)


@contextlib.contextmanager
def running(server: Fake) -> Iterator[Fake]:
    """Serve in a thread while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
