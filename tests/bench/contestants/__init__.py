"""Tests of the contestants, against local servers that answer in every vendor's format."""
