"""The datasets: which are known, where their originals are fetched, how they are read and what is wrong with them.

`datasets` is what the rest of the bench needs: `find` a folder by name and `load` it whole and checked. It promises
that damage ends in one sentence with file and line, and that what makes labels doubtful stands in the note of every
result that uses them. Nothing here knows a reranker.
"""
