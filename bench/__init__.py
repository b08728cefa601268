"""The bench measures the accuracy and the latency of a reranker behind a URL.

Owns datasets, candidates, measures, latency and the records of every run. It imports nothing from `service` or
`models`, so that any other reranker can be measured in the same way. It promises that raw results are kept and that
every printed figure can be computed from them again.
"""
