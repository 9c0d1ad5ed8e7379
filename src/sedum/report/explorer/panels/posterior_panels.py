"""Panels of a galaxy's star-formation history and of its redshift."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Label, Legend, LegendItem, Range1d, Span

from sedum.galaxies.model import GalaxyModel
from sedum.priors.joint import Prior
from sedum.report.explorer.panels.plot_axes import plain_ticks, plot
from sedum.report.explorer.selected_galaxy import SelectedGalaxy
from sedum.report.plots.style import BLUE, GREEN, GREY, ORANGE
from sedum.survey.measures.redshift_density import redshift_density
from sedum.survey.measures.summaries import pz_bounds

__all__ = ["HistoryPanel", "RedshiftPanel"]

#: Decades of star formation shown below the maximum rate.
_DECADES = 4.0
_HISTORY = ("time", "low95", "low68", "median", "high68", "high95")
#: Number of points of p(z).
_POINTS = 400


class HistoryPanel:
    """Star-formation rate against lookback time.

    Parameters
    ----------
    model
        The forward model, for the age of the Universe.
    """

    def __init__(self, model: GalaxyModel):
        self.model = model
        self.source = ColumnDataSource({name: [] for name in _HISTORY}, name="history")
        made = plot(
            x_axis_type="log",
            y_axis_type="log",
            x_range=Range1d(1, 1e4),
            y_range=Range1d(1e-3, 1e2),
            name="history_plot",
        )
        band = {"source": self.source, "x": "time", "fill_color": BLUE}
        made.varea(y1="low95", y2="high95", fill_alpha=0.15, **band)
        made.varea(y1="low68", y2="high68", fill_alpha=0.3, **band)
        made.line("time", "median", source=self.source, color=BLUE, line_width=1.3)
        self._bang = Span(dimension="height", line_color=GREY, line_dash="dashed", visible=False)
        self._word = Label(
            x=1,
            y=4,
            y_units="screen",
            text="Big Bang",
            angle=np.pi / 2,
            text_color=GREY,
            text_font_size="10px",
            x_offset=-3,
            visible=False,
        )
        made.add_layout(self._bang)
        made.add_layout(self._word)
        made.xaxis.axis_label = "lookback time from emission [Myr]"
        made.yaxis.axis_label = "star formation [M☉/yr]"
        made.xaxis.formatter, made.yaxis.formatter = plain_ticks(), plain_ticks()
        self.figure = made

    def update(self, galaxy: SelectedGalaxy | None) -> None:
        """Show a galaxy; nothing if it was not fitted."""
        fitted = galaxy is not None and galaxy.predictions is not None
        self._bang.visible = self._word.visible = fitted
        if galaxy is None or galaxy.predictions is None or galaxy.draws is None:
            self.source.data = {name: [] for name in _HISTORY}
            return
        predictions, names = galaxy.predictions, self.model.prior.names
        middle = np.median(galaxy.draws[:, [names.index("redshift")]], axis=0)
        age = float(self.model.cosmology.age_gyr(middle)[0]) * 1e3
        edges = predictions.lookback / 1e6
        # The first bin begins at zero, which a logarithmic axis cannot show.
        edges = np.r_[edges[1] / 2, edges[1:]]
        rate = predictions.star_formation[0]
        peak = float(rate[4].max())
        floor = max(peak, 1e-30) * 10.0**-_DECADES
        # Each bin has two points, so that the line has steps.
        levels = np.repeat(np.maximum(rate, floor / 10), 2, axis=1)
        self.source.data = dict(zip(_HISTORY, [np.repeat(edges, 2)[1:-1], *levels], strict=True))
        self.figure.x_range.update(start=float(edges[0]), end=1.5 * age)
        self.figure.y_range.update(start=floor, end=3 * max(peak, 1e-30))
        self._bang.location, self._word.x = age, age


class RedshiftPanel:
    """p(z), with the redshift of the catalogue and the one that was given.

    Parameters
    ----------
    prior
        Of the parameters, for the ends of its redshifts.
    """

    def __init__(self, prior: Prior):
        self._at, self._bounds = prior.names.index("redshift"), pz_bounds(prior)
        self.source = ColumnDataSource({"z": [], "density": []}, name="density")
        made = plot(x_range=Range1d(0, 1), y_range=Range1d(0, 1), name="redshift_plot")
        made.varea("z", 0, "density", source=self.source, fill_color=BLUE, fill_alpha=0.3)
        made.line("z", "density", source=self.source, color=BLUE, line_width=1.3)
        self._marks: dict[str, ColumnDataSource] = {}
        self._items: dict[str, LegendItem] = {}
        for what, colour, dash in (
            ("catalogue", ORANGE, "solid"),
            ("given to the fit", GREEN, "dashed"),
        ):
            self._marks[what] = ColumnDataSource({"x": [], "low": [], "high": []}, name=what)
            line = made.segment(
                "x",
                "low",
                "x",
                "high",
                source=self._marks[what],
                color=colour,
                line_dash=dash,
                line_width=2,
            )
            self._items[what] = LegendItem(label=what, renderers=[line], visible=False)
        made.add_layout(Legend(items=list(self._items.values()), orientation="horizontal"))
        made.legend.label_text_font_size = "11px"
        made.legend.background_fill_alpha = 0.7
        made.legend.border_line_color = None
        made.legend.padding = made.legend.margin = 3
        made.xaxis.axis_label, made.yaxis.axis_label = "redshift", "p(z)"
        self.figure: Any = made

    def update(self, galaxy: SelectedGalaxy | None) -> None:
        """Show a galaxy; nothing if it was not fitted."""
        if galaxy is None or galaxy.draws is None or galaxy.photometry is None:
            self.source.data = {"z": [], "density": []}
            for what in self._marks:
                self._items[what].visible = False
                self._marks[what].data = {"x": [], "low": [], "high": []}
            return
        draws = galaxy.draws[:, self._at]
        marks = {
            "catalogue": float(galaxy.recorded.get("redshift_catalogue", np.nan)),
            "given to the fit": float(galaxy.photometry.redshift[0]),
        }
        low, high = np.percentile(draws, [0.2, 99.8])
        known = [m for m in marks.values() if np.isfinite(m)]
        low, high = min([low, *known]), max([high, *known])
        pad = 0.15 * (high - low) + 1e-3 * (1 + high)
        grid = np.linspace(max(low - pad, 0.0), high + pad, _POINTS)
        density = redshift_density(draws[None], grid, self._bounds)[0]
        self.source.data = {"z": grid, "density": density}
        top = 1.3 * float(density.max())
        for what, mark in marks.items():
            there = np.isfinite(mark)
            self._items[what].visible = bool(there)
            self._marks[what].data = {
                "x": [mark] if there else [],
                "low": [0.0] if there else [],
                "high": [top] if there else [],
            }
        self.figure.x_range.update(start=float(grid[0]), end=float(grid[-1]))
        self.figure.y_range.update(start=0.0, end=top)
