"""Figures and tables of recovery and coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from sedum.check.recovery import RecoveryMetrics, coverage_curve, ranks
from sedum.report.plots.style import CYCLE, GREY, ORANGE, figure, label, save, styled

__all__ = ["plot_coverage", "plot_recovery", "recovery_table"]


def recovery_table(rows: list[RecoveryMetrics], title: str) -> Table:
    """Return recovery as a table for the terminal."""
    table = Table(title=title, title_justify="left")
    table.add_column("parameter")
    for heading in ("R²", "bias", "scatter", "68% cov.", "95% cov."):
        table.add_column(heading, justify="right")
    for r in rows:
        table.add_row(
            r.name,
            f"{r.r2:.3f}",
            f"{r.bias:+.3f}",
            f"{r.scatter:.3f}",
            f"{r.coverage_68:.3f}",
            f"{r.coverage_95:.3f}",
        )
    return table


def plot_recovery(draws: np.ndarray, truth: np.ndarray, names: list[str], path: str | Path) -> Path:
    """Draw posterior medians against truths, one panel for each parameter.

    Parameters
    ----------
    draws
        [n, draws, d]
    truth
        [n, d]
    names
        The d parameters.
    path
        Where to write; the extension chooses the format.
    """
    low, median, high = np.percentile(draws, [16, 50, 84], axis=1)
    columns = min(len(names), 4 if len(names) <= 8 else 5)
    lines = -(-len(names) // columns)
    with styled():
        fig = figure(2.9 * columns, 2.8 * lines)
        axes = np.atleast_1d(fig.subplots(lines, columns, squeeze=False)).ravel()
        some = np.random.default_rng(0).permutation(len(truth))[:60]
        for j, (axis, name) in enumerate(zip(axes, names, strict=False)):
            limits = np.percentile(np.r_[truth[:, j], median[:, j]], [0.2, 99.8])
            pad = 0.04 * (limits[1] - limits[0])
            limits = limits + np.array([-pad, pad])
            axis.hexbin(
                truth[:, j],
                median[:, j],
                gridsize=45,
                extent=(*limits, *limits),
                bins="log",
                cmap="Blues",
                linewidths=0.1,
            )
            axis.errorbar(
                truth[some, j],
                median[some, j],
                yerr=np.abs(np.stack([low, high])[:, some, j] - median[some, j]),
                fmt="none",
                ecolor=GREY,
                elinewidth=0.5,
                alpha=0.5,
            )
            axis.plot(limits, limits, color=ORANGE, lw=1)
            axis.set(xlim=limits, ylim=limits, title=label(name))
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        fig.supxlabel("true value")
        fig.supylabel("posterior median (bars: 16th to 84th percentile of 60 galaxies)")
        return save(fig, path)


def plot_coverage(draws: np.ndarray, truth: np.ndarray, names: list[str], path: str | Path) -> Path:
    """Draw the fraction of true values within central intervals against their nominal probability.

    The grey band holds 95% of curves of a calibrated posterior, level by level.
    """
    levels = np.linspace(0, 1, 101)
    curves = coverage_curve(ranks(draws, truth), levels)
    sigma = np.sqrt(levels * (1 - levels) / len(truth))
    with styled():
        fig = figure(8.0, 3.9)
        left, right = fig.subplots(1, 2)
        for j, name in enumerate(names):
            colour, style = CYCLE[j % len(CYCLE)], "-" if j < len(CYCLE) else "--"
            left.plot(levels, curves[:, j], color=colour, ls=style, lw=1.2, label=label(name))
            right.plot(levels, curves[:, j] - levels, color=colour, ls=style, lw=1.2)
        for axis, centre in ((left, levels), (right, 0 * levels)):
            axis.fill_between(
                levels, centre - 1.96 * sigma, centre + 1.96 * sigma, color=GREY, alpha=0.3, lw=0
            )
            axis.plot(levels, centre, color="black", lw=0.6)
            axis.set_xlabel("nominal probability of the central interval")
        left.set_ylabel("fraction of true values inside")
        right.set_ylabel("fraction inside minus nominal")
        limit = max(0.05, float(np.abs(curves - levels[:, None]).max()) * 1.2)
        right.set_ylim(-limit, limit)
        fig.legend(*left.get_legend_handles_labels(), loc="outside right center")
        return save(fig, path)
