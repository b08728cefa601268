"""A test of the Dockerfile that needs no Docker engine."""
