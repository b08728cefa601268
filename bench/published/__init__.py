"""Figures that others published: read, labelled, and kept apart from everything measured here."""
