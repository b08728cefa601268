"""One file per command of `rerank`; each is thin: it reads what was typed and calls the rooms that do the work."""
