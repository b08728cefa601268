"""Tests of bench/latency."""
