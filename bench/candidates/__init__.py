"""Candidates: the first-stage list that every contestant is given for a query, made once and frozen."""
