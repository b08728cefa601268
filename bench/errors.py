"""What can go wrong for the bench's user, each with one sentence that says what to do.

    BenchError              the command ends with this sentence and exit code 1
    ├── DataError           a dataset or run file is absent or damaged; names the file and the line
    ├── ContestantError     a contestant's spec cannot be read, its key is not set, or it is of no use for the command
    ├── ServerError         no reranker answers at the URL, or the server that the bench started died
    └── AnswerError         one answer breaks the contract (an index twice, a score absent): a failed request

The command lines catch BenchError in one place; anything else is a bug and shows its trace.
"""


class BenchError(Exception):
    """The root: `str(error)` is the sentence for the user."""


class DataError(BenchError):
    """A dataset or run file is absent or damaged."""


class ContestantError(BenchError):
    """A contestant that cannot be measured as asked."""


class ServerError(BenchError):
    """No usable reranker at the URL."""


class AnswerError(BenchError):
    """A reranker's answer that does not hold what the request asked for."""
