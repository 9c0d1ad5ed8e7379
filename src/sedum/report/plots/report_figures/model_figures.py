"""Comparison of models: Bayes factors of galaxies, and fractions of the population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sedum.report.collected.related_files import FACTOR_EDGES
from sedum.report.plots.style import CYCLE, figure, styled

__all__ = ["plot_models"]

#: ln Bayes factors beyond which their axis is logarithmic.
_WIDE = 20.0


def plot_models(models: Mapping[str, Any], factors: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distributions of ln Bayes factors, and the fraction of each model.

    Parameters
    ----------
    models
        The ``models`` of a comparison's summary.
    factors
        Counts between :data:`FACTOR_EDGES` of each model but the first.
    """
    names = list(models)
    colours = dict(zip(names, CYCLE * (len(names) // len(CYCLE) + 1), strict=False))
    with styled():
        fig = figure(7.6, 2.9)
        left, right = fig.subplots(1, 2)
        for name, counts in factors.items():
            left.stairs(counts, FACTOR_EDGES, color=colours[name], lw=1.3, label=name)
        left.axvline(0, color="black", lw=0.6)
        reach = _reach(factors)
        if reach >= _WIDE:
            left.set_xscale("symlog")
        left.set(xlim=(-reach, reach), ylim=(0, None))
        left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.set(xlabel=f"ln Bayes factor over {names[0]}", ylabel="galaxies")
        left.legend(fontsize=8)
        for k, (name, row) in enumerate(models.items()):
            if "fraction" not in row:
                continue
            low, high = row["fraction_16_84"]
            spread = np.maximum([[row["fraction"] - low], [high - row["fraction"]]], 0)
            right.errorbar(k, row["fraction"], yerr=spread, fmt="o", color=colours[name], capsize=2)
        right.set_xticks(range(len(names)), names, fontsize=8)
        right.set(ylim=(-0.03, 1.03), xlim=(-0.5, len(names) - 0.5))
        right.set_ylabel("fraction of the population (68%)")
    return fig


def _reach(factors: Mapping[str, np.ndarray]) -> float:
    """Return the smallest edge with no galaxy outside."""
    occupied = np.abs(
        [
            edge
            for counts in factors.values()
            for low, high, number in zip(FACTOR_EDGES, FACTOR_EDGES[1:], counts, strict=False)
            if number
            for edge in (low, high)
        ]
    )
    return float(max(occupied, default=2.0))
