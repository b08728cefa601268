"""The bench: how good and how fast is a reranker, known only by its URL.

Owns datasets, candidates, measures, latency and the records of every run. Imports nothing of `service` or
`models`, so that the same figures can be taken of any other reranker. It promises that raw results are kept
and that every printed figure can be computed from them again.
"""
