"""The HTTP service: answers rerank requests in several API dialects with ranked documents.

Imports `models`, never `bench`. docs/architecture.md follows a request through it; `engine/reranker.py` is its core.
"""
