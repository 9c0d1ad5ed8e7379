"""The rows of a posterior catalogue that the page shows at once: a sample, and what is found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sedum.photometry.row_status import most_frequent_first
from sedum.report.explorer.plain_labels import column_label
from sedum.results.posterior_catalogue import PosteriorCatalogue

__all__ = ["Choice", "SampledRows"]

#: JavaScript holds whole numbers exactly up to this.
_EXACT = 2**53
#: Not read: percentiles other than the median, and lists, which would fill the memory.
_SKIPPED = re.compile(r"_(p(?!50$)[\d_]+|std|draws|quantiles)$|^pz$")
#: Shown first in the table, where they are there.
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
class Choice:
    """What rows are to be shown; None or empty for any.

    Attributes
    ----------
    status
        One status.
    flags
        Wanted values of the columns ``verified`` and ``in_distribution``.
    at_edge
        Whether any parameter is to be at an edge of the prior.
    redshift
        Lowest and highest posterior median; rows without one are shown only where None.
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
        Rows to hold.
    """

    def __init__(self, results: PosteriorCatalogue, max_rows: int = 20_000):
        self.results = results
        names = [n for n in results.columns if n == "id" or not _SKIPPED.search(n)]
        table = results.sample(names, max_rows)
        # What else a row holds several of has no place in a table.
        self.columns = {n: np.asarray(table[n]) for n in table.colnames if table[n].ndim == 1}
        self.rows = self.columns["row"]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all rows are held."""
        return len(self) >= self.results.rows

    def quantities(self) -> dict[str, str]:
        """Return the columns of numbers that can be drawn, with what they are called."""
        quantities = {}
        for name in self.ordered():
            if name not in ("id", "row") and self.columns[name].dtype.kind in "iuf":
                quantities[name] = column_label(name)
        return quantities

    def ordered(self) -> list[str]:
        """Return the names of the columns, those first that are looked at most."""
        first = [name for name in _FIRST if name in self.columns]
        return first + [name for name in self.columns if name not in (*first, "row")] + ["row"]

    def statuses(self) -> list[tuple[str, int]]:
        """Return each status and how many of the rows held have it, ``ok`` first."""
        values, counts = np.unique(self.columns["status"], return_counts=True)
        return most_frequent_first((str(v), int(c)) for v, c in zip(values, counts, strict=True))

    def redshift_range(self) -> tuple[float, float]:
        """Return the least and greatest posterior median of the redshift."""
        z = self._redshift()
        z = z[np.isfinite(z)]
        return (float(z.min()), float(z.max())) if len(z) else (0.0, 1.0)

    def data(self) -> dict[str, Any]:
        """Return the columns as a page holds them: numbers, and everything else as text."""
        return {name: _for_page(values) for name, values in self.columns.items()}

    def index(self, row: int) -> int | None:
        """Return where a row is held; None if it is not."""
        at = np.flatnonzero(self.rows == row)
        return int(at[0]) if len(at) else None

    def copy(self) -> SampledRows:
        """Return another that may hold other rows; columns are shared until then."""
        made = object.__new__(SampledRows)
        made.results, made.columns, made.rows = self.results, dict(self.columns), self.rows
        return made

    def add(self, row: int) -> int:
        """Hold one more row, and return where."""
        recorded = self.results.row(row) | {"row": row}
        for name, values in self.columns.items():
            # Not numpy.append: text of another length would be cut.
            self.columns[name] = np.concatenate([values, np.array([recorded[name]])])
        self.rows = self.columns["row"]
        return len(self) - 1

    def chosen(self, choice: Choice) -> np.ndarray:
        """Say which of the rows held are to be shown, [rows]."""
        shown = np.ones(len(self), bool)
        if choice.status:
            shown &= self.columns["status"] == choice.status
        for name, wanted in choice.flags:
            if name in self.columns:
                shown &= self.columns[name].astype(bool) == wanted
        if choice.at_edge is not None and "at_edge" in self.columns:
            shown &= (self.columns["at_edge"] != "") == choice.at_edge
        if choice.redshift is not None:
            low, high = choice.redshift
            z = self._redshift()
            shown &= (z >= low) & (z <= high)
        if choice.rows:
            shown &= np.isin(self.rows, np.fromiter(choice.rows, np.int64))
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
