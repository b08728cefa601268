"""Tests of one room that need torch."""
