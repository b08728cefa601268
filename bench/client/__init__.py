"""The HTTP client: how one rerank request is sent, timed, retried and read."""
