"""Counts over all rows of a posterior catalogue of any size, in little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from sedum.check.known_redshifts import OUTLIER
from sedum.photometry.row_status import OK
from sedum.results.posterior_catalogue import PosteriorCatalogue

__all__ = [
    "POOR_FIT",
    "REDSHIFT_EDGES",
    "Counts",
    "Density",
    "Histogram",
    "Known",
    "Worst",
    "floats",
    "plain_columns",
    "use_redshift",
]

#: Posterior-predictive p-value below which a fit is poor.
POOR_FIT = 0.01
#: Bins of known redshift; sections merge bins with few galaxies.
REDSHIFT_EDGES = np.array([0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, np.inf])
#: Maximum number of random galaxies of known redshift that are kept for medians.
_KEPT = 50_000
#: Number of rows of each kind in the table of flagged galaxies.
WORST = 50


def plain_columns(results: PosteriorCatalogue) -> list[str]:
    """Return the columns with one value for each row, without lists, to save memory."""
    lists = ("_draws", "_quantiles")
    return [name for name in results.columns if name != "pz" and not name.endswith(lists)]


def use_redshift(results: PosteriorCatalogue) -> bool:
    """Return whether catalogue redshifts were given to the fit."""
    catalogue = results.run.catalogue
    return catalogue is not None and catalogue.use_redshift


def floats(table: Table, name: str) -> np.ndarray:
    """Return a column as floats, [n]; NaN if the table does not have it."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    return np.asarray(table[name], float)


@dataclass
class Histogram:
    """Counts of the finite values of a column in bins, and of those outside."""

    column: str
    edges: np.ndarray

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.edges) - 1, np.int64)
        self.beyond = self.without = 0

    def note(self, table: Table) -> None:
        """Count rows."""
        values = floats(table, self.column)
        finite = np.isfinite(values)
        self.without += int((~finite).sum())
        counts = np.histogram(values[finite], self.edges)[0]
        self.counts += counts
        self.beyond += int(finite.sum() - counts.sum())


@dataclass
class Density:
    """Counts in cells of two columns, in bins of a third one if it is given.

    ``counts`` is [bins, x, y], of one bin without a third column.
    """

    x: str
    y: str
    x_edges: np.ndarray
    y_edges: np.ndarray
    by: str = ""
    by_edges: np.ndarray | None = None

    def __post_init__(self) -> None:
        bins = 1 if self.by_edges is None else len(self.by_edges) - 1
        self.counts = np.zeros((bins, len(self.x_edges) - 1, len(self.y_edges) - 1), np.int64)
        self.beyond = 0

    def note(self, table: Table) -> None:
        """Count rows."""
        x, y = floats(table, self.x), floats(table, self.y)
        finite = np.isfinite(x) & np.isfinite(y)
        which = np.zeros(len(table), int)
        if self.by_edges is not None:
            z = floats(table, self.by)
            which = np.searchsorted(self.by_edges, np.nan_to_num(z, nan=-np.inf), "right") - 1
            finite &= np.isfinite(z)
        for i in range(len(self.counts)):
            rows = finite & (which == i)
            self.counts[i] += np.histogram2d(x[rows], y[rows], (self.x_edges, self.y_edges))[
                0
            ].astype(np.int64)
        self.beyond += int(finite.sum())

    @property
    def outside(self) -> int:
        """The number of rows outside all cells."""
        return self.beyond - int(self.counts.sum())


class Known:
    """Galaxies of known redshift: counts of all, and a sample for medians.

    The sample is all of them up to 50,000, and so many drawn at random from more.
    """

    columns = ("redshift_catalogue", "redshift_p16", "redshift_p50", "redshift_p84")

    def __init__(self) -> None:
        bins = len(REDSHIFT_EDGES) - 1
        self.galaxies, self.outliers, self.inside = (np.zeros(bins, np.int64) for _ in range(3))
        self._rng = np.random.default_rng(1)
        self._order = np.empty(0)
        self.sample = np.empty((0, len(self.columns)))

    def note(self, table: Table) -> None:
        """Count the fitted rows of known redshift in a portion."""
        values = np.stack([floats(table, name) for name in self.columns], axis=1)
        values = values[np.isfinite(values).all(axis=1)]
        truth, low, middle, high = values.T
        where = np.clip(np.searchsorted(REDSHIFT_EDGES, truth, "right") - 1, 0, None)
        for kept, which in (
            (self.galaxies, np.ones(len(truth), bool)),
            (self.outliers, np.abs(middle - truth) / (1 + truth) > OUTLIER),
            (self.inside, (low <= truth) & (truth <= high)),
        ):
            kept += np.bincount(where[which], minlength=len(kept))
        # Those with the smallest of uniform numbers are a sample without replacement.
        order = np.concatenate([self._order, self._rng.uniform(size=len(values))])
        both = np.concatenate([self.sample, values])
        best = np.sort(np.argsort(order, kind="stable")[:_KEPT])
        self._order, self.sample = order[best], both[best]


class Worst:
    """The worst rows of each kind of flag, and the number of rows with each flag."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.flagged = 0
        self._kept: dict[str, list[tuple[float, int, dict[str, Any]]]] = {}

    def note(self, table: Table, start: int, flags: dict[str, np.ndarray]) -> None:
        """Add rows; ``flags`` gives the badness of each row, [n], NaN without the flag."""
        raised = np.zeros(len(table), bool)
        for kind, severity in flags.items():
            rows = np.flatnonzero(~np.isnan(severity))
            raised[rows] = True
            self.counts[kind] += len(rows)
            worst = rows[np.argsort(-severity[rows], kind="stable")[:WORST]]
            # A row of a list would be a view, and hold its whole portion in memory.
            single = [name for name in table.colnames if table[name].ndim == 1]
            counts = [
                (-float(severity[i]), start + int(i), {n: table[n][i] for n in single})
                for i in worst
            ]
            kept = [*self._kept.get(kind, []), *counts]
            self._kept[kind] = sorted(kept, key=lambda entry: entry[:2])[:WORST]
        self.flagged += int(raised.sum())

    def rows(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the kept rows, each once, by their numbers."""
        rows = {row: values for kept in self._kept.values() for _, row, values in kept}
        return sorted(rows.items())


class Counts:
    """All counts over the rows of a catalogue, updated by portions.

    Parameters
    ----------
    results
        The catalogue.
    histograms, densities
        What to count of fitted rows.
    """

    def __init__(
        self,
        results: PosteriorCatalogue,
        histograms: Iterable[Histogram],
        densities: Iterable[Density],
    ):
        self.rows = self.ok = 0
        self._given = use_redshift(results)
        self._quantities = results.quantities()
        self.status: Counter[str] = Counter()
        self.n_bands: Counter[int] = Counter()
        #: Fitted rows by the texts of some columns.
        self.texts: dict[str, Counter[str]] = {
            name: Counter() for name in ("method", "at_edge", "worst_band")
        }
        #: Fitted rows for which columns of truth values are true.
        self.true: Counter[str] = Counter()
        self.poor_fit = 0
        self.with_redshift = 0
        self.histograms = {h.column: h for h in histograms}
        self.densities = list(densities)
        self.known = Known()
        self.worst = Worst()

    def note(self, table: Table) -> None:
        """Count the rows of the next portion."""
        status = np.asarray(table["status"])
        ok = status == OK
        self.status.update(Counter(status.tolist()))
        fitted = table[ok]
        if "n_bands" in table.colnames:
            self.n_bands.update(Counter(np.asarray(fitted["n_bands"]).tolist()))
        for name in ("verified", "in_distribution"):
            self.true[name] += int(_truth(fitted, name).sum())
        ppp = floats(fitted, "ppp")
        self.poor_fit += int((ppp < POOR_FIT).sum())
        for name, counter in self.texts.items():
            if name in table.colnames:
                some = ppp < POOR_FIT if name == "worst_band" else np.ones(len(fitted), bool)
                counter.update(Counter(np.asarray(fitted[name])[some].tolist()))
        self.with_redshift += int(np.isfinite(floats(fitted, "redshift_catalogue")).sum())
        for histogram in self.histograms.values():
            histogram.note(fitted)
        for density in self.densities:
            density.note(fitted)
        if not self._given:
            self.known.note(fitted)
        self.worst.note(table, self.rows, self._flags(table, ok))
        self.rows += len(table)
        self.ok += int(ok.sum())

    def _flags(self, table: Table, ok: np.ndarray) -> dict[str, np.ndarray]:
        """Return the badness of each row for each kind of flag, [n]; NaN without the flag."""

        def raised(which: np.ndarray, severity: np.ndarray | float = 0.0) -> np.ndarray:
            worst = np.nan_to_num(np.broadcast_to(severity, len(table)), nan=np.inf)
            return np.where(which, worst, np.nan)

        flags = {"not fitted": raised(~ok)}
        if {"redshift_catalogue", "redshift_p50"} <= set(table.colnames) and not self._given:
            truth, median = floats(table, "redshift_catalogue"), floats(table, "redshift_p50")
            error = np.abs(median - truth) / (1 + truth)
            flags["redshift outlier"] = raised(ok & (error > OUTLIER), error)
        if "ppp" in table.colnames:
            ppp = floats(table, "ppp")
            flags["poor fit"] = raised(ok & (ppp < POOR_FIT), -ppp)
        if "in_distribution" in table.colnames:
            odd = ok & ~_truth(table, "in_distribution")
            flags["not like the simulations"] = raised(odd, -floats(table, "typicality"))
        if "verified" in table.colnames:
            unverified = ok & ~_truth(table, "verified")
            flags["not verified"] = raised(unverified, -floats(table, "ess"))
        lacking = np.zeros(len(table), bool)
        for name in self._quantities:
            lacking |= ~np.isfinite(floats(table, f"{name}_p50"))
        flags["no value"] = raised(ok & lacking)
        if "at_edge" in table.colnames:
            texts = np.asarray(table["at_edge"]).astype(str)
            flags["at an edge"] = raised(ok & (texts != ""), np.char.count(texts, ",") * 1.0)
        return flags


def _truth(table: Table, name: str) -> np.ndarray:
    """Return a boolean column; all false if the table does not have it."""
    if name not in table.colnames:
        return np.zeros(len(table), bool)
    return np.asarray(table[name]).astype(bool)
