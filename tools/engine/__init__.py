"""Measurements of the serving engine, one script per claim: `python -m tools.engine.NAME`.

Each script starts the server by its command (or takes a URL), prints the figures and writes all raw samples to a file.
Like the bench, the scripts access a reranker only by its URL, so another server can be measured with `--url` and
`--route`.
"""
