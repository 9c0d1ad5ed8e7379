"""The rows of a posterior catalogue on the page: a random sample, and rows from the search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sedum.photometry.row_status import most_frequent_first
from sedum.report.explorer.plain_labels import column_label
from sedum.results.posterior_catalogue import PosteriorCatalogue

__all__ = ["RowFilter", "SampledRows"]

#: Maximum integer that JavaScript represents exactly.
_EXACT = 2**53
#: Columns that are not read, to save memory: percentiles other than the median, and lists.
_SKIPPED = re.compile(r"_(p(?!50$)[\d_]+|std|draws|quantiles)$|^pz$")
#: The first columns of the table, if the results have them.
_FIRST = (
    "id",
    "status",
    "redshift_p50",
    "redshift_catalogue",
    "log_mass_surviving_p50",
    "log_sfr_100_p50",
    "verified",
    "in_distribution",
    "at_edge",
    "worst_band",
)


@dataclass(frozen=True)
class RowFilter:
    """Conditions on the rows that are shown; None or empty for all rows.

    Attributes
    ----------
    status
        The status.
    flags
        Required values of the columns ``verified`` and ``in_distribution``.
    at_edge
        Whether at least one parameter must be at an edge of the prior.
    redshift
        Minimum and maximum posterior median; rows without a redshift are shown only if None.
    rows
        Row numbers.
    """

    status: str = ""
    flags: tuple[tuple[str, bool], ...] = ()
    at_edge: bool | None = None
    redshift: tuple[float, float] | None = None
    rows: frozenset[int] = frozenset()


class SampledRows:
    """At most about ``max_rows`` rows of a posterior catalogue, drawn at random, in order.

    Parameters
    ----------
    results
        The posterior catalogue.
    max_rows
        Maximum number of rows.
    """

    def __init__(self, results: PosteriorCatalogue, max_rows: int = 20_000):
        self.results = results
        names = [n for n in results.columns if n == "id" or not _SKIPPED.search(n)]
        table = results.sample(names, max_rows)
        # Columns with several values in a row do not fit a table.
        self.columns = {n: np.asarray(table[n]) for n in table.colnames if table[n].ndim == 1}
        self.rows = self.columns["row"]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all rows of the catalogue are in the sample."""
        return len(self) >= self.results.rows

    def quantities(self) -> dict[str, str]:
        """Return the numeric columns that can be plotted, with their labels."""
        quantities = {}
        for name in self.ordered():
            if name not in ("id", "row") and self.columns[name].dtype.kind in "iuf":
                quantities[name] = column_label(name)
        return quantities

    def ordered(self) -> list[str]:
        """Return the names of the columns, the most important ones first."""
        first = [name for name in _FIRST if name in self.columns]
        return first + [name for name in self.columns if name not in (*first, "row")] + ["row"]

    def statuses(self) -> list[tuple[str, int]]:
        """Return each status and its number of sampled rows, ``ok`` first."""
        values, counts = np.unique(self.columns["status"], return_counts=True)
        return most_frequent_first((str(v), int(c)) for v, c in zip(values, counts, strict=True))

    def redshift_range(self) -> tuple[float, float]:
        """Return the minimum and maximum posterior median of the redshift."""
        z = self._redshift()
        z = z[np.isfinite(z)]
        return (float(z.min()), float(z.max())) if len(z) else (0.0, 1.0)

    def data(self) -> dict[str, Any]:
        """Return the columns for the browser: numbers, and everything else as text."""
        return {name: _for_page(values) for name, values in self.columns.items()}

    def index(self, row: int) -> int | None:
        """Return the position of a row in the sample; None if it is not there."""
        at = np.flatnonzero(self.rows == row)
        return int(at[0]) if len(at) else None

    def copy(self) -> SampledRows:
        """Return a copy to which rows can be added."""
        made = object.__new__(SampledRows)
        made.results, made.columns, made.rows = self.results, dict(self.columns), self.rows
        return made

    def add(self, row: int) -> int:
        """Add a row, and return its position."""
        recorded = self.results.row(row) | {"row": row}
        for name, values in self.columns.items():
            # Not numpy.append: text of another length would be cut.
            self.columns[name] = np.concatenate([values, np.array([recorded[name]])])
        self.rows = self.columns["row"]
        return len(self) - 1

    def passing(self, row_filter: RowFilter) -> np.ndarray:
        """Return which rows pass a filter, as a mask [rows]."""
        shown = np.ones(len(self), bool)
        if row_filter.status:
            shown &= self.columns["status"] == row_filter.status
        for name, wanted in row_filter.flags:
            if name in self.columns:
                shown &= self.columns[name].astype(bool) == wanted
        if row_filter.at_edge is not None and "at_edge" in self.columns:
            shown &= (self.columns["at_edge"] != "") == row_filter.at_edge
        if row_filter.redshift is not None:
            low, high = row_filter.redshift
            z = self._redshift()
            shown &= (z >= low) & (z <= high)
        if row_filter.rows:
            shown &= np.isin(self.rows, np.fromiter(row_filter.rows, np.int64))
        return shown

    def _redshift(self) -> np.ndarray:
        return self.columns.get("redshift_p50", np.full(len(self), np.nan))


def _ends(values: np.ndarray) -> list[int]:
    return [int(values.min()), int(values.max())] if len(values) else []


def _for_page(values: np.ndarray) -> Any:
    """Return a column for the browser: 32 or 64-bit floats, or lists of text."""
    if values.dtype.kind == "f":
        return np.asarray(values, np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if values.dtype.kind in "iu" and all(abs(int(v)) < _EXACT for v in _ends(values)):
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return ["yes" if v else "no" for v in values]
    return [str(v) for v in values]
