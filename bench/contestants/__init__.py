"""Contestants: who can be measured, one file for every wire dialect that the bench can speak.

Each dialect owns what a rerank request looks like and how the answer is read; transport, retries and timing are
`bench.client`'s, and the load test's tasks are made from the same dialects. It promises that an answer which is not
whole never becomes a ranking. `catalogue.py` lists the dialects, so that a new one is a file and a name there;
`contestant.py` reads what a user types, `reference.py` needs no server.
"""
