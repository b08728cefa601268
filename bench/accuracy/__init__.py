"""Accuracy: every judged query's candidates through a contestant, and what the measures say of its rankings."""
