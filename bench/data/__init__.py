"""The datasets: a catalogue of known ones, and the code that fetches, reads and checks them.

The rest of the bench uses `datasets`: `find` a folder by name, and `load` and check it. Damage is an error that names
the file and the line, and reasons to doubt the labels are noted in every result that uses them. Nothing here depends on
a reranker.
"""
