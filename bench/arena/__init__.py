"""The arena: contestants against each other, one query at a time, and the ratings that follow.

`entrants.py` reads who ranked what, `matches.py` says who meets whom, a judge (`judges/`) writes a ballot a match into
the ledger, and `standings.py` makes ratings of the ballots. Nothing that was judged is judged again, and the same
results, ballots and seed give the same record.
"""
