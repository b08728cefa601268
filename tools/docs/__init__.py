"""Generators of parts of the documentation: tables from the code, and charts from the samples in `results/`."""
