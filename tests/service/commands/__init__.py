"""Tests of one room; file names mirror the room."""
