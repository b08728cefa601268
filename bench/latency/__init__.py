"""Latency profiles: the requests and their timing, the samples on disk, and the figures computed from them.

`workload.py` makes the requests and `plan.py` schedules them; `loops.py` sends them; `samples.py` stores the outcomes
in one Parquet file per profile; `blocks.py`, `figures.py` and `summary.py` compute figures from that file alone;
`sweep.py` combines them for one contestant, or for several that take turns.
"""
