"""The overview figure of a posterior catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from rich.table import Table as RichTable

from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.filters import FilterSet
from sedum.photometry.units import flux_to_magnitude
from sedum.report.plots.redshift_comparison import draw_redshifts
from sedum.report.plots.style import BLUE, figure, label, save, styled
from sedum.statistics import nmad

__all__ = ["coverage_table", "plot_catalogue"]

#: More points than this hide each other: then only their density is drawn.
_MANY = 3000


def coverage_table(rows: CatalogueRows, filters: FilterSet, title: str) -> RichTable:
    """Return what a catalogue measured in each band, as a table for the terminal.

    Fractions are of the rows whose status is ``ok``; magnitude, limit and signal-to-noise are
    medians of the rows that are measured in the band.
    """
    table = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("band", no_wrap=True)
    headings = ("pivot/Å", "measured", "limits", "missing", "AB mag", "5σ AB", "S/N")
    for heading in headings:
        table.add_column(heading, justify="right")
    seen = rows.photometry[rows.row_status.ok]
    for i, band in enumerate(filters):
        there = seen.measured[:, i]
        masks = [there, seen.upper[:, i], ~seen.observed[:, i]]
        texts = [f"{mask.mean():.1%}" if len(seen) else "" for mask in masks]
        medians = [""] * 3
        if there.any():
            flux, error = seen.flux[there, i], seen.error[there, i]
            typical, limit = (float(np.median(f)) for f in (flux, 5 * error))
            medians = [
                f"{flux_to_magnitude(np.array(typical)):.2f}" if typical > 0 else "",
                f"{flux_to_magnitude(np.array(limit)):.2f}",
                f"{np.median(flux / error):.1f}",
            ]
        table.add_row(band.name, f"{band.pivot:,.0f}", *texts, *medians)
    return table


def plot_catalogue(table: Table, path: str | Path) -> Path:
    """Draw a posterior catalogue: mass against redshift, star formation, and redshift tests.

    Parameters
    ----------
    table
        What :func:`sedum.fit` returns. Only rows with status ``ok`` are drawn; the title says
        how many those are.
    path
        Where to write; the extension chooses the format.
    """
    ok = np.asarray(table["status"]) == "ok"
    known = np.isfinite(_column(table, "redshift_catalogue")) & ok
    with styled():
        fig = figure(11 if known.any() else 7.6, 3.6)
        axes = np.atleast_1d(fig.subplots(1, 3 if known.any() else 2))
        redshift, mass = (_column(table, f"{n}_p50") for n in ("redshift", "log_mass_surviving"))
        _scatter(axes[0], redshift[ok], mass[ok])
        axes[0].set(xlabel=label("redshift"), ylabel=label("log_mass_surviving"))
        _scatter(axes[1], mass[ok], _column(table, "log_sfr_100_p50")[ok])
        axes[1].set(xlabel=label("log_mass_surviving"), ylabel=label("log_sfr_100"))
        if known.any():
            _compare(axes[2], table, known)
        fig.suptitle(f"posterior medians of {ok.sum():,} of {len(table):,} rows")
        return save(fig, path)


def _column(table: Table, name: str) -> np.ndarray:
    return np.asarray(table[name], float) if name in table.colnames else np.full(len(table), np.nan)


def _scatter(axis: Axes, x: np.ndarray, y: np.ndarray) -> None:
    if len(x) > _MANY:
        axis.hexbin(x, y, gridsize=60, bins="log", cmap="Blues", linewidths=0.1)
    else:
        axis.plot(x, y, ".", color=BLUE, ms=3, alpha=0.6)


def _compare(axis: Axes, table: Table, known: np.ndarray) -> None:
    """Draw posterior redshifts against those of the catalogue, on a scale of 1 + z."""
    truth = _column(table, "redshift_catalogue")[known]
    low, middle, high = (_column(table, f"redshift_p{p}")[known] for p in (16, 50, 84))
    draw_redshifts(axis, truth, low, middle, high)
    error = (middle - truth) / (1 + truth)
    axis.set_title(
        f"NMAD {nmad(error):.3f}, beyond 0.15: {np.mean(np.abs(error) > 0.15):.1%}", fontsize=9
    )
    axis.set(xlabel="1 + catalogue redshift", ylabel="1 + redshift (bars: 68%)")
