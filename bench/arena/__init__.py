"""The arena: pairwise matches between contestants, one query at a time, and the resulting ratings.

`entrants.py` reads the contestants' rankings, `matches.py` pairs contestants, a judge (`judges/`) writes its ballots to
the ledger, and `standings.py` computes ratings from the ballots. No match is judged twice, and the same results,
ballots and seed give the same record.
"""
