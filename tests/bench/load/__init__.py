"""Tests of the load test: its parts, and locust itself with workers against the real server."""
