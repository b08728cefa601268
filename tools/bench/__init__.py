"""Checks of the bench's statistics that take minutes and are therefore not part of the test suite."""
