"""The HTTP service: requests in any client's dialect to ranked documents.

Imports `models`, never `bench`. The way of a request is drawn in docs/architecture.md; `rerank.py` is its spine.
"""
