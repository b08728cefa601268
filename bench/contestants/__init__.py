"""Contestants: who can be measured, one file for every wire dialect that the bench can speak.

Each dialect owns what a rerank request looks like and how the answer is read back into scores in input order;
transport, retries and timing are `bench.client`'s. It promises that an answer which is not whole never becomes a
ranking. `catalog.py` lists the dialects, `contestant.py` reads what a user types, `reference.py` needs no server.
"""
