"""Checks of the bench's own statistics that take minutes."""
