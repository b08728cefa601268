"""Programs for the environments of other makers' libraries, which Make builds from the requirement files beside them.

They import nothing of ours, and the library itself only when they start to work.
"""
