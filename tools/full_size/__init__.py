"""The full-size model through the whole chain on this machine, against sentence-transformers: `make full-size`,
`make gpu-check`. No part of the suite: it takes minutes to an hour, and gigabytes.
"""
