"""Models: finding, loading, preparing and running cross-encoders.

This package uses neither HTTP nor asyncio and imports nothing from `service` or `bench`, so a notebook can use
`models.scorer.Scorer` directly.
"""
