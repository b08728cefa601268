"""Tests of tools/engine."""
