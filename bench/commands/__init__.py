"""The bench's commands, one file each; `bench.cli` combines them."""
