"""The figure and the table of a recalibration: before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from sedum.check.fit_recalibration import RecalibrationResult
from sedum.check.mock_scorecard import MockValidation
from sedum.check.recovery import coverage_curve
from sedum.report.plots.style import CYCLE, GREY, figure, label, save, styled

__all__ = ["plot_recalibration", "recalibration_table"]


def recalibration_table(result: RecalibrationResult) -> Table:
    """Return coverage and ranks before and after as a table for the terminal."""
    summary = result.summary()
    before, after = summary["before"], summary["after"]
    table = Table(
        title=(
            f"{summary['galaxies']:,} galaxies that were not fitted, before → after; TARP deviates "
            f"by {before['tarp']['deviation']:.3f} → {after['tarp']['deviation']:.3f}, faults "
            f"{len(before['faults'])} → {len(after['faults'])}"
        ),
        title_justify="left",
        box=None,
    )
    table.add_column("parameter", no_wrap=True)
    for heading in ("68% cov.", "95% cov.", "PIT mean", "PIT KS"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, old in before["parameters"].items():
        new = after["parameters"][name]
        keys = ("coverage_68", "coverage_95", "pit_mean", "pit_ks")
        table.add_row(name, *(f"{old[k]:.3f} → {new[k]:.3f}" for k in keys))
    return table


def plot_recalibration(result: RecalibrationResult, path: str | Path) -> Path:
    """Draw the coverage of each parameter, and of all together, minus the nominal one.

    The grey band holds 99% of curves of a calibrated posterior, level by level.
    """
    levels = np.linspace(0, 1, 101)
    band = 2.58 * np.sqrt(levels * (1 - levels) / len(result.before.truth))
    with styled():
        fig = figure(9.2, 4.0)
        axes = fig.subplots(1, 2, sharey=True)
        gain, error = result.gain
        titles = ("before", f"after: {gain:+.3f} ± {error:.3f} nat per galaxy")
        for axis, judged, title in zip(axes, (result.before, result.after), titles, strict=True):
            axis.fill_between(levels, -band, band, color=GREY, alpha=0.3, lw=0)
            axis.axhline(0, color="black", lw=0.6)
            for j, (name, curve) in enumerate(_curves(judged, levels).items()):
                style = "-" if j < len(CYCLE) else "--"
                axis.plot(levels, curve, style, color=CYCLE[j % len(CYCLE)], lw=1.2, label=name)
            axis.plot(levels, judged.tarp.coverage - judged.tarp.levels, "k:", lw=1.4, label="TARP")
            axis.set(title=title, xlim=(0, 1), xlabel="nominal probability")
        axes[0].set_ylabel("fraction of true values inside, minus nominal")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
        return save(fig, path)


def _curves(judged: MockValidation, levels: np.ndarray) -> dict[str, np.ndarray]:
    """Return coverage minus nominal of central intervals by the label of each parameter."""
    inside = coverage_curve(judged.ranks["pit"], levels)
    return {label(name): inside[:, j] - levels for j, name in enumerate(judged.names)}
