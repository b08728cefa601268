"""Programs that are neither library nor test: research on the embedded model, measurements, proofs.

They may import every room; no room imports them, and the wheel leaves them out.
"""
