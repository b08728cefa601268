"""Measurements that need the model in this process as well as the server: `python -m tests.engine.NAME`."""
