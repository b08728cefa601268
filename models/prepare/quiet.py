"""Keep the libraries' warnings and progress bars off the user's terminal."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log lines and transformers' progress bars within a block."""
    import transformers

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.utils.logging.enable_progress_bar()
        logging.disable(before)
