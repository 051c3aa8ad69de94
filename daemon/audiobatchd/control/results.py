"""The shapes of questions about the values of all records of a dataset, and of the answers. Data only."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Value = float | int | str | bool | dict[str, float | int | str | bool | None] | None
"""A value of a record: a number, a text, a flag, or a mapping; None where it is missing."""
Row = tuple[Value, ...]
"""The values of one track folder, in the order of the columns that were asked for."""
Kind = Literal["number", "text", "flag", "mapping"]
"""Kind of a column's values. Where several kinds were met it is `text`, of numbers and flags `number`."""
MOST_BINS = 1000
"""Number of bins that a histogram has at most."""
MOST_CELLS = 200
"""The same of a scatter, which has as many in the other direction."""
_Bins = Annotated[int, Meta(ge=1, le=MOST_BINS)]
_BothBins = Annotated[int, Meta(ge=1, le=MOST_CELLS)]


class Query(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question for rows, one for each track folder that meets a condition."""

    columns: tuple[str, ...] | None = None
    """Names of columns, in this order; None: `folder`, and every key that any record has."""
    where: str = ""
    """A condition: an SQL expression over columns; empty: all folders."""
    sort: tuple[str, ...] = ()
    """Columns that order the rows, the first one before the others; "-" before a name turns its order round. What is
    missing comes last; rows that are alike, and all without any, are in the order of the bytes of their folders."""
    limit: Annotated[int, Meta(ge=0)] | None = None
    """Number of rows that are told at most."""


class Column(Struct, frozen=True):
    """A column: a key of records, or `folder`, `state` and `why`, which are told of each folder."""

    name: str
    kind: Kind
    unit: str = ""
    """As `BPM`; empty where it has none, or is not known."""
    description: str = ""
    """Meaning in a few words; empty where it is not known."""


class Histogram(Struct, frozen=True):
    """The numbers of one column, counted in bins of one width."""

    edges: tuple[float, ...]
    """The bounds of the bins, one more than there are bins; none where there is no number."""
    counts: tuple[int, ...]
    """Numbers in each bin; a bin has its lower bound, the last one also its upper."""
    missing: int
    """Folders that meet the condition and have no number there."""


class Cell(Struct, frozen=True):
    """A rectangle that is not empty."""

    x: int
    """Index of its left bound in `x_edges`."""
    y: int
    """Index of its lower bound in `y_edges`."""
    count: int
    """Folders in it."""


class Scatter(Struct, frozen=True):
    """The numbers of two columns against each other, counted in rectangles."""

    x_edges: tuple[float, ...]
    """The bounds of the rectangles, as those of a histogram's bins."""
    y_edges: tuple[float, ...]
    """The same in the other direction."""
    cells: tuple[Cell, ...]
    """The rectangles that are not empty."""
    count: int
    """Folders that have both numbers."""
    missing: int
    """Folders that meet the condition and lack one."""


class Label(Struct, frozen=True):
    """A text, a flag (`true` or `false`), or a label of mappings."""

    label: str
    """The text, the flag, or a mapping's label."""
    count: int
    """Folders that have it."""


class Summary(Struct, frozen=True):
    """One column in short, over the folders that meet a condition."""

    column: Column
    count: int
    """Folders that have a value."""
    missing: int
    """Folders that have none."""
    minimum: float | None = None
    """The least number. This and the next four are of numbers alone; None where there is none."""
    quartiles: tuple[float, ...] | None = None
    """Three values, which a quarter, half, and three quarters of the numbers are not above."""
    maximum: float | None = None
    """The largest number."""
    mean: float | None = None
    """The mean of the numbers."""
    histogram: Histogram | None = None
    """The numbers in bins."""
    frequent: tuple[Label, ...] = ()
    """The most frequent ones of texts and flags, and of the labels of mappings."""
    distinct: int = 0
    """Number of different texts, flags or labels."""


class AskRows(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for rows of a dataset; see `Query`."""

    dataset: str
    columns: list[str] = []
    """Empty: `folder`, and every key that any record has. The others are as in `Query`."""
    where: str = ""
    sort: list[str] = []
    limit: Annotated[int, Meta(ge=0)] | None = None


MOST_ON_A_PAGE = 200
"""Number of rows that one page has at most."""


class AskPage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for some rows out of the middle, with the number of all; see `Query`."""

    dataset: str
    columns: list[str] = []
    where: str = ""
    search: Annotated[str, Meta(max_length=1000)] = ""
    """Text that the name of the folder has to contain as well; upper and lower case of ASCII are alike."""
    sort: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=MOST_ON_A_PAGE)] = 50
    offset: Annotated[int, Meta(ge=0, le=1 << 40)] = 0
    """Number of rows before these."""


class Page(Struct, frozen=True):
    """Some rows out of all that meet a condition."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: int
    """Number of all of them."""


class AskColumns(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the columns of a dataset."""

    dataset: str


class AskSummary(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for columns in short."""

    dataset: str
    features: list[str] = []
    """Empty: every key that any record has."""
    where: str = ""


class AskHistogram(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the numbers of a column in bins."""

    dataset: str
    feature: str
    bins: _Bins = 32
    where: str = ""


class AskScatter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the numbers of two columns against each other."""

    dataset: str
    x: str
    """The feature from left to right."""
    y: str
    """The feature from bottom to top."""
    bins: _BothBins = 64
    """Number of bins in each direction."""
    where: str = ""
