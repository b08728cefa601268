"""The HTTP client: sends, times and retries rerank requests, and reads the answers."""
