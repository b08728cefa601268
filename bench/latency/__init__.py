"""Latency profiles: what is sent and when, the samples of it in a file, and the figures of them.

`workload.py` makes the requests and `plan.py` says when they are sent; `loops.py` sends them; `samples.py` keeps what
came back in one Parquet file a profile; `blocks.py`, `figures.py` and `summary.py` make figures of it, and can do so
again from the file alone; `sweep.py` joins them for one contestant or several that take turns.
"""
