"""Fixtures of the tests that hold the embedded model against torch."""

from tests.support.torch_threads import one_thread as one_thread
