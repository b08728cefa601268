"""The judges: one file each; every one takes matches and appends ballots to the ledger.

A judge decides for one match and one order of showing. It promises that what it has written stands: the same call
again asks only for what is missing, so that a kill at any moment loses nothing and repeats nothing.
"""
