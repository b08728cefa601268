"""The engine: queries and documents in, rankings out, scheduled fairly and within deadlines.

It owns admission, the queue, the inference threads, and the ranking of a request. It knows no HTTP framework and no
dialect, so a gateway, a notebook or a test can use it as the HTTP service does.
"""
