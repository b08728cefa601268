"""Unmodified clients of other makers against the real server, run by `make test-clients`."""
