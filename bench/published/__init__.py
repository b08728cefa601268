"""Figures that others published: imported, labelled, and kept apart from everything measured here."""
