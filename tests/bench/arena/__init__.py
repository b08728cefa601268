"""Tests of the bench, mirroring its files."""
