"""The pages that the server shows in a browser: the playground, the API reference and the bench's report."""
