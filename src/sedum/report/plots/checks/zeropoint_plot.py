"""Zero-points as a table and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from sedum.check.zeropoints import ZeroPoints
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled

__all__ = ["plot_zeropoints", "zeropoint_table"]


def zeropoint_table(zeropoints: ZeroPoints) -> Table:
    """Return offsets and held-out residuals as a table for the terminal, in mag."""
    state = "" if zeropoints.settled else "; NOT SETTLED"
    table = Table(
        title=f"zero-points from {zeropoints.galaxies} galaxies, anchor {zeropoints.anchor}{state}",
        title_justify="left",
        box=None,
    )
    table.add_column("band", no_wrap=True)
    headings = ("galaxies", "offset", "error", "held out before", "after", "scatter")
    for heading in headings:
        table.add_column(heading, justify="right")
    for i, band in enumerate(zeropoints.bands):
        if not np.isfinite(zeropoints.offset[i]):
            table.add_row(band, str(zeropoints.count[i]), "too few galaxies")
            continue
        if not np.isfinite(zeropoints.error[i]):
            table.add_row(band, "", f"{zeropoints.offset[i]:+.3f}", "fixed")
            continue
        values = (zeropoints.before[i], zeropoints.after[i])
        table.add_row(
            band,
            str(zeropoints.count[i]),
            f"{zeropoints.offset[i]:+.3f}",
            f"{zeropoints.error[i]:.3f}",
            *(f"{v:+.3f}" for v in values),
            f"{zeropoints.scatter[i]:.3f}",
        )
    return table


def plot_zeropoints(zeropoints: ZeroPoints, path: str | Path) -> Path:
    """Draw offsets with errors, and residuals of the held-out half without and with them.

    Parameters
    ----------
    zeropoints
        The zero-points.
    path
        Where to write; the extension chooses the format.
    """
    order = np.argsort(zeropoints.pivots)
    at = np.arange(len(order))
    with styled():
        fig = figure(max(8.0, 0.6 * len(at) + 2), 4.4)
        left, right = fig.subplots(1, 2)
        error = np.nan_to_num(zeropoints.error[order])
        left.errorbar(at, zeropoints.offset[order], yerr=error, fmt="o", color=BLUE, ms=4)
        left.set(title="offset to add", ylabel="mag")
        right.plot(
            at, zeropoints.before[order], "o", color=GREY, mfc="none", label="without offsets"
        )
        scatter = zeropoints.scatter[order] / np.sqrt(np.maximum(zeropoints.count[order] / 2, 1))
        right.errorbar(
            at,
            zeropoints.after[order],
            yerr=scatter,
            fmt="o",
            color=ORANGE,
            ms=4,
            label="with them",
        )
        right.set(title="median residual of the held-out half", ylabel="predicted - observed [mag]")
        right.legend()
        for axis in (left, right):
            axis.axhline(0, color="black", lw=0.6)
            axis.set_xticks(at, [zeropoints.bands[i] for i in order], rotation=90, fontsize=7)
        fig.suptitle(
            f"{zeropoints.galaxies} galaxies of known redshift, anchor {zeropoints.anchor}"
        )
        return save(fig, path)
