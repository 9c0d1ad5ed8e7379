"""Zero-points as a table and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from sedum.check.zeropoints import ZeroPoints
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled

__all__ = ["plot_zeropoints", "zeropoint_table"]


def zeropoint_table(found: ZeroPoints) -> Table:
    """Return offsets and held-out residuals as a table for the terminal, in mag."""
    state = "" if found.settled else "; NOT SETTLED"
    table = Table(
        title=f"zero-points from {found.galaxies} galaxies, anchor {found.anchor}{state}",
        title_justify="left",
        box=None,
    )
    table.add_column("band", no_wrap=True)
    headings = ("galaxies", "offset", "error", "held out before", "after", "scatter")
    for heading in headings:
        table.add_column(heading, justify="right")
    for i, band in enumerate(found.bands):
        if not np.isfinite(found.offset[i]):
            table.add_row(band, str(found.count[i]), "too few galaxies")
            continue
        if not np.isfinite(found.error[i]):
            table.add_row(band, "", f"{found.offset[i]:+.3f}", "fixed")
            continue
        values = (found.before[i], found.after[i])
        table.add_row(
            band,
            str(found.count[i]),
            f"{found.offset[i]:+.3f}",
            f"{found.error[i]:.3f}",
            *(f"{v:+.3f}" for v in values),
            f"{found.scatter[i]:.3f}",
        )
    return table


def plot_zeropoints(found: ZeroPoints, path: str | Path) -> Path:
    """Draw offsets with errors, and residuals of the held-out half without and with them.

    Parameters
    ----------
    found
        The zero-points.
    path
        Where to write; the extension chooses the format.
    """
    order = np.argsort(found.pivots)
    at = np.arange(len(order))
    with styled():
        fig = figure(max(8.0, 0.6 * len(at) + 2), 4.4)
        left, right = fig.subplots(1, 2)
        error = np.nan_to_num(found.error[order])
        left.errorbar(at, found.offset[order], yerr=error, fmt="o", color=BLUE, ms=4)
        left.set(title="offset to add", ylabel="mag")
        right.plot(at, found.before[order], "o", color=GREY, mfc="none", label="without offsets")
        scatter = found.scatter[order] / np.sqrt(np.maximum(found.count[order] / 2, 1))
        right.errorbar(
            at, found.after[order], yerr=scatter, fmt="o", color=ORANGE, ms=4, label="with them"
        )
        right.set(title="median residual of the held-out half", ylabel="predicted - observed [mag]")
        right.legend()
        for axis in (left, right):
            axis.axhline(0, color="black", lw=0.6)
            axis.set_xticks(at, [found.bands[i] for i in order], rotation=90, fontsize=7)
        fig.suptitle(f"{found.galaxies} galaxies of known redshift, anchor {found.anchor}")
        return save(fig, path)
