"""Measurements of a serving engine, a script a claim: `python -m tools.engine.NAME`.

Each starts the server by its command (or takes a URL), prints what it found and writes every raw sample to a file.
They know a reranker only by its URL, as the whole bench does, so a rival can be put in its place with `--url` and
`--route`.
"""
