"""Accuracy: reranks every judged query's candidates with a contestant, and measures the rankings."""
