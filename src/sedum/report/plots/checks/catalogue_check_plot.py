"""A catalogue against the simulations, as a table and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from sedum.check.catalogue_check import CatalogueCheck
from sedum.report.plots.style import BLUE, ORANGE, figure, save, styled

__all__ = ["band_table", "plot_check", "verdict"]


def verdict(check: CatalogueCheck) -> list[str]:
    """Return the results of the catalogue check, in lines for the terminal."""
    expected = check.level * check.galaxies
    return [
        f"not typical at {check.level:g}: {check.flagged} of {check.galaxies:,} galaxies, expected "
        f"{expected:.1f} (p = {check.flagged_p_value:.2g})",
        f"residuals against mock galaxies: MMD² {check.residuals.distance:.4f}, typical "
        f"{check.residuals.typical:.4f} (p = {check.residuals.p_value:.2g})",
        f"photometry against the prior: MMD² {check.population.distance:.4f}, typical "
        f"{check.population.typical:.4f} (p = {check.population.p_value:.2g}; no fault: surveys "
        "do not follow priors)",
        f"ppp of {len(check.ppp)} galaxies: median {np.median(check.ppp):.2f}, below 0.01 "
        f"{np.mean(check.ppp < 0.01):.1%}",
    ]


def band_table(check: CatalogueCheck) -> Table:
    """Return the residuals of each band as a table for the terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("band", no_wrap=True)
    for heading in ("galaxies", "median residual/σ", "error", "brighter by/mag", ""):
        table.add_column(heading, justify="right")
    for band in check.bands:
        if not np.isfinite(band.sigma):
            table.add_row(band.band, f"{band.galaxies:,}", "too few galaxies")
            continue
        table.add_row(
            band.band,
            f"{band.galaxies:,}",
            f"{band.sigma:+.2f}",
            f"{band.sigma_error:.2f}",
            f"{band.magnitude:+.3f}" if np.isfinite(band.magnitude) else "",
            "far off" if band.far_off else "",
        )
    return table


def plot_check(check: CatalogueCheck, path: str | Path) -> Path:
    """Draw the distributions of typicality and ppp, and the residuals of the bands.

    Parameters
    ----------
    check
        What :func:`~sedum.check.catalogue_check.check_catalogue` returns.
    path
        Where to write; the extension chooses the format.
    """
    at = np.arange(len(check.bands))
    with styled():
        fig = figure(max(9.5, 0.35 * len(at) + 6), 3.6)
        left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1, 1.6])
        bins = 20
        expected = check.galaxies / bins
        spread = 2.58 * np.sqrt(expected * (1 - 1 / bins))
        left.hist(check.typicality, bins=bins, range=(0, 1), color=BLUE)
        left.axhline(expected, color="black", lw=0.8)
        for edge, name in ((expected - spread, ""), (expected + spread, "99% of simulated bars")):
            left.axhline(edge, color=ORANGE, lw=1, ls="--", label=name)
        left.legend(fontsize=7, loc="lower right", frameon=True)
        left.set(xlabel="typicality", ylabel="galaxies", xlim=(0, 1))
        left.set_title(
            f"{check.flagged} of {check.galaxies:,} below {check.level:g}\n"
            f"(expected {check.level * check.galaxies:.1f})"
        )
        middle.hist(check.ppp, bins=bins, range=(0, 1), color=BLUE)
        middle.set(xlabel="posterior-predictive p (ppp)", ylabel="galaxies", xlim=(0, 1))
        middle.set_title(f"{np.mean(check.ppp < 0.01):.1%} of {len(check.ppp)}\nbelow 0.01")
        far = np.array([b.far_off for b in check.bands])
        sigma = np.array([b.sigma for b in check.bands])
        error = np.array([b.sigma_error for b in check.bands])
        for which, colour, name in ((~far, BLUE, ""), (far, ORANGE, "far off")):
            if which.any():
                right.errorbar(
                    at[which], sigma[which], yerr=error[which], fmt="o", color=colour, ms=4,
                    label=name,
                )  # fmt: skip
        if far.any():
            right.legend()
        right.axhline(0, color="black", lw=0.8)
        # So that noise does not fill the frame.
        limit = max(1.0, 1.15 * float(np.nanmax(np.abs(sigma) + error, initial=0.0)))
        right.set_ylim(-limit, limit)
        right.set_xticks(at, [b.band for b in check.bands], rotation=90, fontsize=7)
        right.set_ylabel("median residual [σ]")
        right.set_title(f"observed minus best models\n(MMD p = {check.residuals.p_value:.2g})")
        return save(fig, path)
