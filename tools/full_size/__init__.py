"""Prepare, serve and measure the full-size model against sentence-transformers: `make full-size`, `make gpu-check`.

This is not part of the test suite, since it takes minutes to an hour and gigabytes.
"""
