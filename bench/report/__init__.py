"""The report: a static site from the result files, and nothing else.

Reads records, lays out figures, writes files; it measures nothing, and computes only what stands in no record (a mean
over datasets, paired differences), by the bench's own functions. The site opens from disk, asks nobody for anything,
and shows what is missing as missing, with the reason.
"""
