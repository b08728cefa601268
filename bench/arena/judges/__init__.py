"""The judges, one file each: they take matches and append ballots to the ledger.

A ballot decides one match in one order. Written ballots are final: a repeated run requests only what is missing, so
that an interrupted run loses and repeats nothing.
"""
