"""One file per wire dialect: body bytes to a Job, a Ranking to body bytes, an error to that dialect's error body.

A dialect knows the wire and `service.job`, nothing else: no queue, no model, no framework. `body.py` holds what all of
them share: JSON read strictly about its form and generously about its types.
"""
