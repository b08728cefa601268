"""One file a wire dialect: body bytes to Jobs, a Ranking to a body, an error to that dialect's error body.

Each file ends in one value (`dialect.py` says of what type), and `catalogue.py` lists them. A dialect knows the wire
and `service.job`, nothing else: no queue, no model, no framework. `body.py` holds what all of them share: JSON read
strictly about its form and generously about its types.
"""
