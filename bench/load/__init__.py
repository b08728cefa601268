"""The load test's parts that know no locust: what is sent, how an answer is judged, when, and the statistics.

`bench/locustfile.py` alone imports locust, which patches the standard library as it is imported; everything here can
be used, and is tested, without that.
"""
