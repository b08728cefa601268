"""Programs that run in separate environments with third-party libraries, which make builds from the files beside them.

They import nothing from this project, and the library itself only when they start to work.
"""
