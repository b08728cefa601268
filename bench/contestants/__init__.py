"""Contestants: the rerankers that can be measured, one file per wire dialect.

Each dialect defines the request body and parses the answer; `bench.client` does transport, retries and timing, and the
load test's tasks are made from the same dialects. An incomplete answer never becomes a ranking. `catalogue.py` lists
the dialects, so that a new one is a file and a name there; `contestant.py` parses what a user types; `reference.py` has
the contestants that need no server.
"""
