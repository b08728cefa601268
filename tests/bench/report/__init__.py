"""Tests of the report: its figures recomputed from the raw files, and the site in a browser."""
