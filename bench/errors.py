"""The bench's errors, each with a message that tells the user what is wrong and what to do.

    BenchError              the command ends with this message and exit code 1
    ├── DataError           a dataset or run file is missing or damaged; the message names the file and the line
    ├── ContestantError     a contestant's spec is invalid, its key is not set, or the command cannot measure it
    ├── ServerError         no reranker answers at the URL, or the server that the bench started exited
    └── AnswerError         one answer is invalid (a duplicate index, a missing score): a failed request

The command lines catch BenchError in one place; anything else is a bug and shows its traceback.
"""


class BenchError(Exception):
    """The base class: `str(error)` is the message for the user."""


class DataError(BenchError):
    """A dataset or run file is missing or damaged."""


class ContestantError(BenchError):
    """A contestant that cannot be measured as requested."""


class ServerError(BenchError):
    """No usable reranker at the URL."""


class AnswerError(BenchError):
    """A reranker's answer that does not match its request."""
