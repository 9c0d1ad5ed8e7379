"""The figures of a validation, and its table for the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from rich.table import Table

from sedum.check.joint_posteriors import LocalTests
from sedum.check.mock_scorecard import MockValidation
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, label, save, styled

__all__ = ["plot_ranks", "scorecard_table"]


def scorecard_table(card: dict) -> Table:
    """Return the overall numbers of a scorecard as a table for the terminal."""
    information = card["information"]
    table = Table(
        title=(
            f"{card['galaxies']:,} galaxies; {information['mean']:.2f} ± "
            f"{information['error']:.2f} nat more than the prior; TARP deviates by "
            f"{card['tarp']['deviation']:.3f} (p = {card['tarp']['p_value']:.2g})"
        ),
        title_justify="left",
        box=None,
    )
    table.add_column("parameter", no_wrap=True)
    for heading in ("R²", "bias", "NMAD", "outliers", "68% cov.", "95% cov.", "PIT KS", "p"):
        table.add_column(heading, justify="right")
    for name, row in card["parameters"].items():
        table.add_row(
            name,
            f"{row['r2']:.3f}",
            f"{row['bias']:+.3f}",
            f"{row['nmad']:.3f}",
            f"{row['outliers']:.1%}",
            f"{row['coverage_68']:.3f}",
            f"{row['coverage_95']:.3f}",
            f"{row['pit_ks']:.3f}",
            f"{row['pit_p_value']:.2g}",
        )
    return table


def plot_ranks(validation: MockValidation, path: str | Path) -> Path:
    """Draw the histogram of ranks of each parameter, and the joint (TARP) coverage.

    Grey bands hold 99% of the bars, and of the curve level by level, of a calibrated posterior.
    Where single galaxies were tested (L-C2ST), a last panel shows their p-values in order: near
    the diagonal for a calibrated posterior, though they scatter together.
    """
    n, d = validation.ranks["pit"].shape
    bins = 20
    panels = d + 1 + (validation.joint is not None)
    columns = min(panels, 5)
    lines = -(-panels // columns)
    width = 2.58 * np.sqrt(n / bins * (1 - 1 / bins))
    with styled():
        fig = figure(2.5 * columns, 2.2 * lines)
        axes = list(np.atleast_1d(fig.subplots(lines, columns, squeeze=False)).ravel())
        for j, (axis, name) in enumerate(zip(axes, validation.names, strict=False)):
            axis.hist(validation.ranks["pit"][:, j], bins=bins, range=(0, 1), color=BLUE, alpha=0.8)
            axis.axhspan(n / bins - width, n / bins + width, color=GREY, alpha=0.3, lw=0)
            axis.set(title=label(name), xlim=(0, 1), yticks=[])
        last: Axes = axes[d]
        levels = validation.tarp.levels
        band = 2.58 * np.sqrt(levels * (1 - levels) / n)
        last.fill_between(levels, levels - band, levels + band, color=GREY, alpha=0.3, lw=0)
        last.plot(levels, validation.tarp.coverage, color=ORANGE, lw=1.2)
        last.plot([0, 1], [0, 1], color="black", lw=0.6)
        last.set(title="all together (TARP)", xlim=(0, 1), ylim=(0, 1), xlabel="nominal")
        if validation.joint is not None:
            _plot_local(axes[d + 1], validation.joint)
        for axis in axes[panels:]:
            axis.set_axis_off()
        fig.supxlabel("rank of the truth among the draws")
        return save(fig, path)


def _plot_local(axis: Axes, joint: LocalTests) -> None:
    """Draw the p-values of single galaxies in increasing order."""
    fraction = (np.arange(len(joint.rows)) + 0.5) / len(joint.rows)
    axis.plot(np.sort(joint.p_values), fraction, ".", color=ORANGE, ms=4)
    axis.plot([0, 1], [0, 1], color="black", lw=0.6)
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="p-value", ylabel="fraction of galaxies")
    axis.set_title(f"single galaxies (p = {joint.p_value:.2g})")
