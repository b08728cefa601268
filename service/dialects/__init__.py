"""The API dialects, one file each: body bytes to Jobs, a Ranking to a body, an error to the dialect's error body.

Each file defines one value (its type is in `dialect.py`); `catalogue.py` lists them. A dialect knows the wire format
and `service.job`, but no queue, model or framework. `body.py` is shared by all: it decodes JSON, strict about the
syntax and lenient about types.
"""
