"""Programs that are neither library nor test: building the embedded model, measurements, and checks.

They may import every other package, no package imports them, and the wheel does not contain them.
"""
