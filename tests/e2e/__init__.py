"""Tests against the real server, started as a user starts it."""
