"""The pages that the server shows a person: the playground, the API page and the bench's report."""
