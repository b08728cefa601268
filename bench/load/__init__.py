"""The parts of the load test that do not depend on locust: requests, checks of answers, timing and statistics.

Only `bench/locustfile.py` imports locust, which patches the standard library on import; everything here is used and
tested without it.
"""
