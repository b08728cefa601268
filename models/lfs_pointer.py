"""The pointer that Git leaves in place of a large file when git-lfs is not installed."""

from typing import BinaryIO

FIRST_BYTES = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(file: BinaryIO) -> bool:
    """Return whether a file, opened at its start, is a Git LFS pointer; it stays at its start."""
    begin = file.read(len(FIRST_BYTES))
    file.seek(0)
    return begin == FIRST_BYTES
