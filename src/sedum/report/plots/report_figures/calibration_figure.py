"""Calibration on mock galaxies, as a scorecard has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sedum.report.plots.axis_labels import bin_label
from sedum.report.plots.style import BLUE, CYCLE, GREY, ORANGE, figure, label, styled

__all__ = ["plot_bins", "plot_coverage_of_parameters"]

_NOMINAL = 0.68


def plot_coverage_of_parameters(card: dict[str, Any]) -> Figure:
    """Draw the coverage of the 68% and 95% intervals of each parameter, with errors."""
    rows = card["parameters"]
    at = np.arange(len(rows))
    n = card["galaxies"]
    with styled():
        fig = figure(7.6, 0.26 * len(rows) + 1.1)
        axes = fig.subplots(1, 2, sharey=True)
        for axis, level, colour in zip(axes, (68, 95), (BLUE, CYCLE[2]), strict=True):
            nominal = level / 100
            band = 4 * np.sqrt(nominal * (1 - nominal) / n)
            axis.axvspan(nominal - band, nominal + band, color=GREY, alpha=0.2, lw=0)
            axis.axvline(nominal, color=ORANGE, lw=1)
            axis.errorbar(
                [r[f"coverage_{level}"] for r in rows.values()],
                at,
                xerr=[r[f"coverage_{level}_error"] for r in rows.values()],
                fmt="o",
                color=colour,
                ms=4,
                lw=1.2,
            )
            axis.set_xlabel(f"fraction of true values in {level}% intervals")
            axis.set(ylim=(len(rows) - 0.5, -0.5))
        axes[0].set_yticks(at, [label(name) for name in rows], fontsize=8)
    return fig


def plot_bins(card: dict[str, Any]) -> Figure | None:
    """Draw how far the 68% coverage of parameters is from nominal, in sigma, bin by bin."""
    names = list(card["parameters"])
    groups = {kind: bins for kind, bins in card.get("bins", {}).items() if bins}
    columns = [(kind, text, row) for kind, bins in groups.items() for text, row in bins.items()]
    if not columns:
        return None
    pulls = np.array(
        [
            [
                (row["parameters"][name]["coverage_68"] - _NOMINAL)
                / np.sqrt(_NOMINAL * (1 - _NOMINAL) / row["galaxies"])
                for _, _, row in columns
            ]
            for name in names
        ]
    )
    with styled():
        fig = figure(min(9.6, 0.5 * len(columns) + 3.0), 0.27 * max(len(names), 6) + 1.5)
        axis = fig.subplots()
        drawn = axis.imshow(pulls, cmap="PuOr", vmin=-8, vmax=8, aspect="auto")
        for (i, j), value in np.ndenumerate(pulls):
            colour = "white" if abs(value) > 5.5 else "black"
            axis.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=6.5, color=colour)
        axis.set_yticks(range(len(names)), [label(name) for name in names], fontsize=8)
        texts = [bin_label(text) for _, text, _ in columns]
        axis.set_xticks(range(len(columns)), texts, fontsize=7, rotation=40, ha="right")
        start = 0
        for kind, bins in groups.items():
            if start:
                axis.axvline(start - 0.5, color="black", lw=1.2)
            axis.text(
                start + len(bins) / 2 - 0.5, -0.65, kind, ha="center", va="bottom", fontsize=8
            )
            start += len(bins)
        fig.colorbar(drawn, ax=axis, label="68% coverage − nominal [σ]", pad=0.01)
    return fig
