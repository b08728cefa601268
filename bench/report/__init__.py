"""The report: a static site made from the result files.

Reads records, lays out figures and writes files. It measures nothing, and computes only what no record contains (means
over datasets, paired differences), with the bench's own functions. The site opens from disk, makes no network requests,
and shows a missing figure as missing, with the reason.
"""
