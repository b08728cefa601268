"""The commands of `rerank`, one file each; they parse the options and call the packages that do the work."""
