"""A page about one galaxy: its photometry and spectrum, history, redshift and parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from rich.table import Table

from sedum.galaxies.model import GalaxyModel
from sedum.photometry.observed import Photometry
from sedum.report.plots.galaxy_plots import draw_corner, draw_sed
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled
from sedum.survey.predict import Predictions, redshift_density

__all__ = ["percentile_table", "plot_page"]

#: Decades of star formation shown below the maximum rate.
_DECADES = 4.0


def plot_page(
    model: GalaxyModel,
    photometry: Photometry,
    predictions: Predictions,
    path: str | Path,
    title: str = "",
    truth: np.ndarray | None = None,
    draws: np.ndarray | None = None,
) -> Path:
    """Draw a page about one galaxy.

    Parameters
    ----------
    model
        The forward model.
    photometry
        One observation.
    predictions
        Its posterior predictions, with the spectrum.
    path
        Where to write; the extension chooses the format.
    title
        A line above.
    truth
        True parameters where they are known, [d].
    draws
        Draws for p(z) and the corner plot, where there are more than those behind the spectrum,
        [draws, d].
    """
    names = model.prior.names
    draws = predictions.draws[0] if draws is None else draws
    with styled():
        fig = figure(17.0, 9.0, constrained=False)
        halves = fig.add_gridspec(1, 2, width_ratios=(0.92, 1), wspace=0)
        left, right = fig.add_subfigure(halves[0]), fig.add_subfigure(halves[1])
        grid = left.add_gridspec(
            2,
            2,
            left=0.095,
            right=0.97,
            bottom=0.075,
            top=0.93,
            hspace=0.27,
            wspace=0.25,
            height_ratios=(1.15, 1),
        )
        draw_sed(left.add_subplot(grid[0, :]), model.filters, photometry, predictions)
        age = model.cosmology.age_gyr(np.median(draws[:, [names.index("redshift")]], axis=0))
        _draw_history(left.add_subplot(grid[1, 0]), predictions, float(age[0]) * 1e3)
        true_redshift = None if truth is None else float(truth[names.index("redshift")])
        shown = draws[:, names.index("redshift")]
        _draw_redshift(left.add_subplot(grid[1, 1]), shown, photometry, true_redshift)
        draw_corner(right, draws, names, truth)
        fig.suptitle(title, x=0.02, ha="left")
        return save(fig, path)


def _draw_history(axis: Axes, predictions: Predictions, age: float) -> None:
    """Draw the rate of star formation against lookback time in Myr."""
    edges = predictions.lookback / 1e6
    # The first bin begins now, which a logarithmic axis does not show.
    edges = np.r_[edges[1] / 2, edges[1:]]
    rate = predictions.star_formation[0]
    peak = float(rate[4].max())
    floor = max(peak, 1e-30) * 10.0**-_DECADES
    step = [np.append(values, values[-1]) for values in np.maximum(rate, floor / 10)]
    axis.fill_between(edges, step[0], step[4], step="post", color=BLUE, alpha=0.15, lw=0)
    axis.fill_between(edges, step[1], step[3], step="post", color=BLUE, alpha=0.3, lw=0)
    axis.step(edges, step[2], where="post", color=BLUE, lw=1)
    axis.axvline(age, color=GREY, lw=0.8, ls="--")
    axis.annotate(
        "Big Bang",
        (age, 0.02),
        xycoords=("data", "axes fraction"),
        rotation=90,
        fontsize=7,
        ha="right",
        va="bottom",
        color=GREY,
    )
    axis.set(xscale="log", yscale="log", xlim=(edges[0], 1.5 * age), ylim=(floor, 3 * peak))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set(xlabel="lookback time from emission [Myr]")
    axis.set_ylabel(r"star formation [${\rm M}_\odot\,{\rm yr}^{-1}$]")


def _draw_redshift(
    axis: Axes, draws: np.ndarray, photometry: Photometry, truth: float | None
) -> None:
    """Draw p(z), with the redshift that was given and the true one."""
    low, high = np.percentile(draws, [0.2, 99.8])
    pad = 0.2 * (high - low) + 1e-3 * (1 + high)
    grid = np.linspace(max(low - pad, 0.0), high + pad, 500)
    density = redshift_density(draws[None], grid)[0]
    axis.fill_between(grid, density, color=BLUE, alpha=0.3, lw=0)
    axis.plot(grid, density, color=BLUE, lw=1)
    given = photometry.redshift[0]
    if np.isfinite(given):
        axis.axvline(given, color="black", lw=1, ls="--", label="given")
    if truth is not None:
        axis.axvline(truth, color=ORANGE, lw=1.2, label="true")
    if truth is not None or np.isfinite(given):
        axis.legend(loc="best")
    axis.set(xlabel="redshift", ylabel="p(z)", xlim=(grid[0], grid[-1]), ylim=(0, None))


def percentile_table(
    names: list[str], draws: np.ndarray, predictions: Predictions, title: str
) -> Table:
    """Return percentiles of parameters, and of derived quantities, for the terminal.

    Parameters
    ----------
    names
        The parameters.
    draws
        [draws, d]
    predictions
        What was recovered of the one galaxy.
    title
        A line above.
    """
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("quantity", no_wrap=True)
    for heading in ("2.5%", "16%", "50%", "84%", "97.5%"):
        table.add_column(heading, justify="right")
    rows = dict(zip(names, np.percentile(draws, [2.5, 16, 50, 84, 97.5], axis=0).T, strict=True))
    rows |= {name: values[0] for name, values in predictions.derived.items() if name not in rows}
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in values))
    return table
