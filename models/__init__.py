"""What a model is, how it is made ready and how it scores.

No HTTP and no asyncio live here, and nothing of `service` or `bench` is imported, so a notebook can use
`models.scorer.Scorer` as it is.
"""
