"""The engine: token pairs in, logits out, fairly and in time.

Owns admission, the queue, the threads that run the model, and the ranking of one request. Knows no HTTP framework and
no dialect: a gateway, a notebook or a test can drive it as the HTTP service does.
"""
