"""The Dockerfile's proof where there is no Docker engine."""
