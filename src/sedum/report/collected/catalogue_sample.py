"""Data of a catalogue for the report: a sample for medians, and counts of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from sedum.photometry.row_status import OK
from sedum.progress import progress
from sedum.report.collected.catalogue_counts import (
    Counts,
    Density,
    Histogram,
    floats,
    plain_columns,
)
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe_column

__all__ = ["CatalogueSample", "collect", "mass_of", "nice_edges"]

#: Number of rows for medians and percentiles over galaxies.
SAMPLE = 100_000
#: Percentiles of the sample that limit the axes.
_REACH = (0.1, 99.9)
#: Possible edges of redshift bins, and the maximum number of bins.
_REDSHIFTS = (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20)
_PANELS = 6
#: Edges of the histograms of columns of verification.
_CHECKS = {
    "ess": np.concatenate([[0], np.geomspace(1, 1e5, 51)]),
    "k_hat": np.linspace(-1, 2, 61),
    "ppp": np.linspace(0, 1, 41),
    "typicality": np.linspace(0, 1, 41),
}


@dataclass(frozen=True)
class CatalogueSample:
    """A sample and counts of a catalogue.

    Attributes
    ----------
    results
        The catalogue.
    sample
        Fitted rows, all or some 100,000 drawn at random: all columns but draws.
    complete
        Whether those are all.
    counts
        Counts of all rows.
    mass
        The mass that relations are of, empty where there is none.
    """

    results: PosteriorCatalogue
    sample: Table
    complete: bool
    counts: Counts
    mass: str

    def values(self, quantity: str, percentile: int = 50) -> np.ndarray:
        """Return percentiles of a quantity of the sampled rows, [n]; NaN where not finite."""
        values = floats(self.sample, f"{quantity}_p{percentile}")
        return np.where(np.isfinite(values), values, np.nan)

    def half_width(self, quantity: str) -> np.ndarray:
        """Return half the central 68% interval of the sampled rows, [n]."""
        return (self.values(quantity, 84) - self.values(quantity, 16)) / 2

    def density(self, x: str, y: str) -> Density | None:
        """Return the counts of two quantities, or None."""
        wanted = (f"{x}_p50", f"{y}_p50")
        return next((d for d in self.counts.densities if (d.x, d.y) == wanted), None)

    def unit(self, quantity: str) -> str:
        """Return the unit of a quantity; FITS files have no name for logarithmic ones."""
        return describe_column(quantity)[0] or self.results.columns[f"{quantity}_p50"].unit


def collect(
    results: PosteriorCatalogue,
    sample: int = SAMPLE,
    rows: int | None = None,
    show_progress: bool = False,
) -> CatalogueSample:
    """Read a catalogue twice: a sample that sets the ranges, then counts of all rows.

    Parameters
    ----------
    results
        The catalogue.
    sample
        Rows that are kept for medians.
    rows
        Rows in memory at a time; those of :meth:`Results.stream` where None.
    show_progress
        Show a progress bar.
    """
    names = plain_columns(results)
    numeric = [n for n in names if n not in ("id", "at_edge", "method", "worst_band")]
    some = results.sample(numeric, sample)
    some = some[np.asarray(some["status"]) == OK]
    quantities = results.quantities()
    mass = mass_of(quantities)
    histograms = [
        Histogram(f"{q}_p50", edges)
        for q in quantities
        if (edges := _edges(floats(some, f"{q}_p50"), 40)) is not None
    ]
    histograms += [Histogram(n, edges) for n, edges in _CHECKS.items() if n in names]
    counts = Counts(results, histograms, _densities(some, quantities, mass))
    size = {} if rows is None else {"rows": rows}
    with progress(results.rows, "counting", "rows", show_progress) as advance:
        for portion in results.stream(names, **size):
            counts.note(portion)
            advance(len(portion))
    return CatalogueSample(results, some, results.rows <= sample, counts, mass)


def mass_of(quantities: Sequence[str]) -> str:
    """Return the mass of relations: the surviving one, or else the formed one."""
    return next((m for m in ("log_mass_surviving", "log_mass") if m in quantities), "")


def _densities(some: Table, quantities: Sequence[str], mass: str) -> list[Density]:
    densities = []
    if mass and "redshift" in quantities:
        x, y = (floats(some, f"{q}_p50") for q in ("redshift", mass))
        edges = _edges(x, 60), _edges(y, 60)
        if edges[0] is not None and edges[1] is not None:
            densities.append(Density("redshift_p50", f"{mass}_p50", edges[0], edges[1]))
    rate = next((q for q in ("log_sfr_100", "log_sfr_10") if q in quantities), "")
    if mass and rate:
        x, y = (floats(some, f"{q}_p50") for q in (mass, rate))
        edges = _edges(x, 40), _edges(y, 40)
        by = nice_edges(floats(some, "redshift_p50")) if "redshift" in quantities else None
        if edges[0] is not None and edges[1] is not None:
            column = "redshift_p50" if by is not None else ""
            densities.append(Density(f"{mass}_p50", f"{rate}_p50", edges[0], edges[1], column, by))
    return densities


def _edges(values: np.ndarray, bins: int) -> np.ndarray | None:
    """Return edges of equal bins over all but extreme values; None without finite values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = (
        np.percentile(values, _REACH) if len(values) > 1000 else (values.min(), values.max())
    )
    if high - low < 1e-6 * max(abs(low), abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    pad = (high - low) / bins / 2
    return np.linspace(low - pad, high + pad, bins + 1)


def nice_edges(redshift: np.ndarray) -> np.ndarray | None:
    """Return edges of at most six bins of redshift, each with at least 2% of the galaxies."""
    redshift = redshift[np.isfinite(redshift)]
    if not len(redshift):
        return None
    edges = np.array(_REDSHIFTS, float)
    counts = np.histogram(redshift, edges)[0]
    if not counts.any():
        return None
    first, last = np.flatnonzero(counts)[[0, -1]]
    edges, counts = edges[first : last + 2], counts[first : last + 1]
    minimum = 0.02 * len(redshift)
    while len(counts) > 1 and (len(counts) > _PANELS or counts.min() < minimum):
        # The bin with the fewest galaxies joins the smaller of its neighbours.
        i = int(counts.argmin())
        left = counts[i - 1] if i else np.inf
        right = counts[i + 1] if i + 1 < len(counts) else np.inf
        at = i - 1 if left <= right else i
        counts = np.concatenate([counts[:at], [counts[at] + counts[at + 1]], counts[at + 2 :]])
        edges = np.delete(edges, at + 1)
    return edges
