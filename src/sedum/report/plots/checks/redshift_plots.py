"""The figures of a validation on a real catalogue, and its tables for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich.table import Table

from sedum.check.catalogue_scorecard import ReferenceComparison
from sedum.check.known_redshifts import OUTLIER, RedshiftMetrics
from sedum.report.plots.axis_labels import bin_label
from sedum.report.plots.redshift_comparison import draw_redshifts
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, label, save, styled

__all__ = ["plot_redshifts", "plot_references", "redshift_table", "reference_table"]

_MANY = 1500


def redshift_table(card: dict[str, Any]) -> Table:
    """Return the numbers of known redshifts, overall and in bins, for the terminal."""
    table = Table(title="redshift hidden, against known ones", title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for heading in ("galaxies", "NMAD", "bias", "outliers", "68% cov.", "95% cov.", "PIT KS"):
        table.add_column(heading, justify="right")
    table.add_column("ln p(z)", justify="right")
    groups = {"all": card["all"]}
    for name, bins in card["bins"].items():
        groups |= {f"{name} {bin_label(text)}": row for text, row in bins.items()}
    for name, row in groups.items():
        table.add_row(
            name,
            f"{row['galaxies']:,}",
            f"{row['nmad']:.4f} ± {row['nmad_error']:.4f}",
            f"{row['bias']:+.4f} ± {row['bias_error']:.4f}",
            f"{row['outliers']:.1%} ± {row['outliers_error']:.1%}",
            f"{row['coverage_68']:.3f} ± {row['coverage_68_error']:.3f}",
            f"{row['coverage_95']:.3f} ± {row['coverage_95_error']:.3f}",
            f"{row['pit_ks']:.3f}",
            f"{row['log_density']:+.2f} ± {row['log_density_error']:.2f}",
        )
    return table


def reference_table(card: dict[str, Any]) -> Table:
    """Return the offsets from others' estimates for the terminal."""
    table = Table(title="posterior medians minus others' estimates", box=None)
    table.title_justify = "left"
    for heading in ("quantity", "column", ""):
        table.add_column(heading, no_wrap=True)
    for heading in ("galaxies", "offset", "NMAD"):
        table.add_column(heading, justify="right")
    for name, groups in card.items():
        for group, row in groups.items():
            if group == "column" or not row["galaxies"]:
                continue
            table.add_row(
                name,
                groups["column"],
                group,
                f"{row['galaxies']:,}",
                f"{row['offset']:+.3f} ± {row['offset_error']:.3f}",
                f"{row['nmad']:.3f} ± {row['nmad_error']:.3f}",
            )
    return table


def plot_redshifts(metrics: RedshiftMetrics, path: str | Path) -> Path:
    """Draw posterior redshifts against known ones, their errors, PIT and coverage.

    Grey bands hold 99% of the bars, and of the curve level by level, of a calibrated posterior.
    """
    with styled():
        fig = figure(10.2, 7.4)
        (compare, errors), (pit, coverage) = fig.subplots(2, 2)
        draw_redshifts(compare, metrics.truth, metrics.low, metrics.median, metrics.high)
        _plot_errors(errors, metrics)
        _plot_pit(pit, metrics.pit)
        _plot_coverage(coverage, metrics.pit)
        fig.suptitle(f"{len(metrics):,} galaxies of known redshift, hidden from the fit")
        return save(fig, path)


def plot_references(references: list[ReferenceComparison], path: str | Path) -> Path:
    """Draw posterior medians minus others' estimates, with the redshift free and known."""
    with styled():
        columns = 2 if any(np.isfinite(r.known).any() for r in references) else 1
        fig = figure(4.6 * columns, 3.3 * len(references))
        axes = fig.subplots(len(references), columns, squeeze=False, sharey="row", sharex="row")
        for row, reference in zip(axes, references, strict=True):
            groups = reference.groups()
            ways = ("redshift free", "redshift known")
            for axis, way in zip(row, ways, strict=False):
                if way in groups and len(groups[way][0]):
                    _plot_difference(axis, *groups[way], way)
                axis.set_xlabel(f"{label(reference.name)}: column {reference.column}")
            row[0].set_ylabel("posterior median minus column")
        return save(fig, path)


def _plot_errors(axis: Axes, metrics: RedshiftMetrics) -> None:
    edge = 2 * OUTLIER
    error = np.clip(metrics.error, -edge, edge)
    beyond = np.abs(metrics.error) > edge
    axis.hist(error, bins=61, range=(-edge, edge), color=BLUE, alpha=0.8)
    for at in (-OUTLIER, OUTLIER):
        axis.axvline(at, color=GREY, lw=0.8, ls="--")
    axis.axvline(0, color=ORANGE, lw=1)
    measures = metrics.measures()
    axis.set_title(
        f"NMAD {measures['nmad']:.3f}, bias {measures['bias']:+.3f}, outliers "
        f"{measures['outliers']:.1%}"
    )
    note = f"; {beyond.sum():,} beyond, in the outermost bars" if beyond.any() else ""
    axis.set(xlabel=rf"$\Delta z\,/\,(1+z)${note}", ylabel="galaxies", xlim=(-edge, edge))


def _plot_pit(axis: Axes, pit: np.ndarray) -> None:
    bins = 20 if len(pit) >= 400 else 10
    expected = len(pit) / bins
    width = 2.58 * np.sqrt(expected * (1 - 1 / bins))
    axis.hist(pit, bins=bins, range=(0, 1), color=BLUE, alpha=0.8)
    axis.axhspan(max(expected - width, 0), expected + width, color=GREY, alpha=0.3, lw=0)
    axis.axhline(expected, color="black", lw=0.6)
    axis.set(xlim=(0, 1), xlabel="probability of p(z) below the known redshift (PIT)")
    axis.set_ylabel("galaxies")


def _plot_coverage(axis: Axes, pit: np.ndarray) -> None:
    levels = np.linspace(0, 1, 101)
    inside = (2 * np.abs(pit - 0.5)[None] <= levels[:, None]).mean(axis=1)
    band = 2.58 * np.sqrt(levels * (1 - levels) / len(pit))
    axis.fill_between(levels, levels - band, levels + band, color=GREY, alpha=0.3, lw=0)
    axis.plot(levels, inside, color=ORANGE, lw=1.2)
    axis.plot([0, 1], [0, 1], color="black", lw=0.6)
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal probability of the central interval")
    axis.set_ylabel("fraction of known redshifts inside")


def _plot_difference(axis: Axes, value: np.ndarray, median: np.ndarray, way: str) -> None:
    difference = median - value
    low, middle, high = np.percentile(difference, [16, 50, 84])
    if len(value) > _MANY:
        axis.hexbin(value, difference, gridsize=50, bins="log", cmap="Blues", linewidths=0.1)
    else:
        axis.plot(value, difference, ".", color=BLUE, ms=3, alpha=0.6)
    axis.axhline(0, color="black", lw=0.6)
    axis.axhline(middle, color=ORANGE, lw=1.2)
    axis.axhspan(low, high, color=ORANGE, alpha=0.15, lw=0)
    axis.set_title(
        f"{way}: {len(value):,} galaxies\noffset {middle:+.3f}, 16-84%: {low:+.2f} to {high:+.2f}"
    )
