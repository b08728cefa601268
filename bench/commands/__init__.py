"""The bench's commands, one file each; `bench.cli` joins them."""
