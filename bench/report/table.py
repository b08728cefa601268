"""Tables of figures: cells with their exact value, its printed form, and the reason if it is missing.

A figure is shown with its interval if it has one. A missing figure is a dash, never 0, with a letter that refers to the
reason below the table. Each cell carries its exact value, by which the page sorts and from which the tests recompute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.records import Estimate

Print = Callable[[float], str]
WIN_HEAD = "win % (tie = \N{VULGAR FRACTION ONE HALF})"
WIN_MEANING = "Wins plus half the ties, divided by all matches."
NO_WIN_RATE = "the record is of an older version, which counted ties otherwise: run rerank-bench arena again"
ABSENT = "\N{EN DASH}"
SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"


def measure(value: float) -> str:
    """Format a measure between 0 and 1 as the literature prints it: .506."""
    text = f"{value:.3f}".replace("-", MINUS)
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def signed(value: float) -> str:
    """Format a difference of measures: +.012."""
    return measure(value) if value < 0 else f"+{measure(value)}"


def elo(value: float) -> str:
    """Format a rating in whole points."""
    return f"{value:.0f}".replace("-", MINUS)


def share(value: float) -> str:
    """Format a share in percent, without the percent sign."""
    return f"{100 * value:.1f}"


def ms(value: float) -> str:
    """Format milliseconds with about three digits."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else whole(value)


def rate(value: float) -> str:
    """Format a rate per second with about three digits."""
    return ms(value)


def usd(value: float) -> str:
    """Format US dollars; a small amount is not rounded to 0."""
    return f"{value:.3g}" if value < 1 else f"{value:.2f}"


def ratio(value: float) -> str:
    """Format a ratio of two figures."""
    return (f"{value:.2f}" if 0.01 <= value < 100 else f"{value:.2g}") + TIMES


def p_value(value: float) -> str:
    """Format a p-value; a small one is not rounded to 0."""
    return f"{value:.3f}".removeprefix("0") if value >= 0.0005 else "<.001"


def whole(value: float) -> str:
    """Format a count with a thousands separator."""
    return f"{value:,.0f}".replace(",", SPACE).replace("-", MINUS)


@dataclass(frozen=True)
class Cell:
    """One cell: its text, its exact value if it is a figure, and the reason if it is missing."""

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""
    href: str | None = None
    why: str | None = None


def missing(why: str) -> Cell:
    """Make the cell of a missing figure."""
    return Cell(ABSENT, why=why)


def figure(value: float | None, print_as: Print, why: str = "") -> Cell:
    """Make the cell of a figure without an interval, such as a count or a published figure."""
    return missing(why) if value is None else Cell(print_as(value), value)


def estimated(of: Estimate | None, print_as: Print, why: str = "") -> Cell:
    """Make the cell of a figure with its interval."""
    if of is None:
        return missing(why)
    interval = f"{print_as(of.low)} to {print_as(of.high)}"
    return Cell(print_as(of.value), of.value, of.low, of.high, interval)


def words(text: str, href: str | None = None) -> Cell:
    """Make a text cell; empty text becomes a dash without a reason."""
    return Cell(text or ABSENT, href=href)


@dataclass(frozen=True)
class Column:
    """A column: its key in the page, its heading, and the meaning of the heading."""

    key: str
    head: str
    meaning: str = ""
    is_text: bool = False
    wraps: bool = False
    """Whether the text may wrap over several lines."""
    group: str = ""
    """A heading above several columns, such as the source of their figures."""


@dataclass(frozen=True)
class Row:
    """A row: its key in the page, and one cell per column."""

    key: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A table with its caption and, below it, the reasons for its dashes."""

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    lead: str = ""
    """A sentence below the caption."""
    notes: dict[str, str] = field(init=False)
    """Reason to letter, in the order of appearance."""

    def __post_init__(self) -> None:
        """Number the reasons."""
        reasons = dict.fromkeys(cell.why for row in self.rows for cell in row.cells if cell.why)
        object.__setattr__(self, "notes", {why: _letter(index) for index, why in enumerate(reasons)})

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The group headings with the number of columns that each spans; empty if there are none."""
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if runs and runs[-1][0] == column.group:
                runs[-1] = (column.group, runs[-1][1] + 1)
            else:
                runs.append((column.group, 1))
        return runs if any(group for group, _ in runs) else []


def _letter(index: int) -> str:
    """Return the note's letter: a to z, then aa, ab and so on."""
    before, at = divmod(index, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + at)
