"""Contestants: one file for every wire dialect that the bench can speak.

Each owns what a rerank request looks like in its dialect and how the answer is read back into scores in input order;
transport, retries and timing are `bench.client`'s. It promises that an answer which is not whole never becomes a
ranking.
"""
