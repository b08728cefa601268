"""Tests of the datasets: reading, checking, fetching."""
