"""The panel of a galaxy's spectral energy distribution, and its residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d, Span

from sedum.photometry.filters import FilterSet
from sedum.report.explorer.panels.plot_axes import FluxScale, plain_ticks, plot, round_steps
from sedum.report.explorer.selected_galaxy import SelectedGalaxy
from sedum.report.plots.style import BLUE, GREY, ORANGE

__all__ = ["SedPanel"]

_SPECTRUM = ("wavelength", "low95", "low68", "median", "high68", "high95")
_MODEL = ("wavelength", "low", "middle", "high")
_OBSERVED = ("wavelength", "low", "middle", "high", "band", "flux", "error", "sigma")
_LIMITS = ("wavelength", "middle", "band", "flux")
_RESIDUALS = ("wavelength", "low", "middle", "high", "band")


def _empty(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: [] for name in names}


class SedPanel:
    """Photometry over the posterior of the spectrum, 68% and 95%, and residuals beneath.

    Parameters
    ----------
    filters
        The bands.
    """

    def __init__(self, filters: FilterSet):
        self.filters = filters
        self.spectrum = ColumnDataSource(_empty(_SPECTRUM), name="spectrum")
        self.model = ColumnDataSource(_empty(_MODEL), name="model_photometry")
        self.observed = ColumnDataSource(_empty(_OBSERVED), name="observed")
        self.limits = ColumnDataSource(_empty(_LIMITS))
        self.residuals = ColumnDataSource(_empty(_RESIDUALS), name="residuals")
        low = 0.8 * min(f.limits[0] for f in filters) / 1e4
        high = 1.1 * max(f.limits[1] for f in filters) / 1e4
        self._across = Range1d(low, high)
        self._ticks = FixedTicker(ticks=round_steps(low, high))
        self.figure = self._draw_fluxes()
        self.beneath = self._draw_residuals()

    def _draw_fluxes(self) -> Any:
        made = plot(x_axis_type="log", x_range=self._across, y_range=Range1d(0, 1), name="sed")
        band = {"source": self.spectrum, "x": "wavelength", "fill_color": BLUE}
        made.varea(y1="low95", y2="high95", fill_alpha=0.15, legend_label="95%", **band)
        made.varea(y1="low68", y2="high68", fill_alpha=0.3, legend_label="68%", **band)
        made.line("wavelength", "median", source=self.spectrum, color=BLUE, line_width=1)
        made.segment("wavelength", "low", "wavelength", "high", source=self.model, color=BLUE)
        made.scatter(
            "wavelength",
            "middle",
            source=self.model,
            marker="square",
            size=10,
            fill_color=None,
            line_color=BLUE,
            line_width=1.3,
            legend_label="model",
        )
        made.segment("wavelength", "low", "wavelength", "high", source=self.observed, color=ORANGE)
        seen = made.scatter(
            "wavelength", "middle", source=self.observed, size=7, color=ORANGE, legend_label="data"
        )
        made.scatter(
            "wavelength",
            "middle",
            source=self.limits,
            marker="inverted_triangle",
            size=9,
            color=ORANGE,
        )
        tooltips = [("band", "@band"), ("flux", "@flux µJy"), ("error", "@error µJy")]
        tooltips += [("from model", "@sigma σ")]
        made.add_tools(HoverTool(renderers=[seen], tooltips=tooltips))
        made.yaxis.axis_label = "f_ν [µJy]"
        made.xgrid.ticker = self._ticks
        made.xaxis.visible = False  # the panel of residuals has it
        made.add_layout(Span(location=0, dimension="width", line_color=GREY, line_width=0.5))
        made.legend.orientation = "horizontal"
        made.legend.location = "top_left"
        made.legend.background_fill_alpha = 0.7
        made.legend.border_line_color = None
        made.legend.label_text_font_size = "11px"
        made.legend.padding = made.legend.margin = 3
        made.min_border_left = 62
        return made

    def _draw_residuals(self) -> Any:
        made = plot(
            x_axis_type="log",
            x_range=self._across,
            y_range=Range1d(-4, 4),
            toolbar_location=None,
            name="residual_plot",
        )
        made.add_layout(Span(location=0, dimension="width", line_color=GREY, line_width=0.8))
        made.segment("wavelength", "low", "wavelength", "high", source=self.residuals, color=ORANGE)
        seen = made.scatter("wavelength", "middle", source=self.residuals, size=6, color=ORANGE)
        made.add_tools(
            HoverTool(renderers=[seen], tooltips=[("band", "@band"), ("residual", "@middle σ")])
        )
        made.xaxis.axis_label, made.yaxis.axis_label = "observed wavelength [µm]", "residual [σ]"
        made.xaxis.ticker = self._ticks
        made.xaxis.formatter = plain_ticks()
        made.min_border_left = 62
        return made

    def update(self, galaxy: SelectedGalaxy | None) -> None:
        """Show a galaxy, only its photometry if it was not fitted, and nothing if None."""
        if galaxy is None or galaxy.photometry is None:
            sources = (self.spectrum, self.model, self.observed, self.limits, self.residuals)
            for source in sources:
                source.data = _empty(tuple(source.data))
            return
        seen, predictions = galaxy.photometry, galaxy.predictions
        measured, upper = seen.measured[0], seen.upper[0]
        flux, error = seen.flux[0], seen.error[0]
        shown = measured | upper
        # A galaxy that was not fitted may have an invalid error of a measured flux.
        sound = measured & np.isfinite(error) & (error > 0)
        bands = np.zeros((5, 0)) if predictions is None else predictions.photometry[0]
        known = np.where(sound, error, np.nan)
        scale = FluxScale(flux[shown], known[shown], bands[[1, 3]].ravel())
        pivots, names = self.filters.pivots / 1e4, np.array(self.filters.names)
        residual = galaxy.residual
        sigma = np.full(len(names), np.nan) if residual is None else residual[1]
        spread = np.where(sound, error, 0.0)
        self.observed.data = {
            "wavelength": pivots[measured],
            "low": scale(flux - spread)[measured],
            "middle": scale(flux)[measured],
            "high": scale(flux + spread)[measured],
            "band": names[measured].tolist(),
            "flux": [f"{v:.4g}" for v in flux[measured]],
            "error": [f"{v:.3g}" for v in error[measured]],
            "sigma": [f"{v:+.1f}" if np.isfinite(v) else "" for v in sigma[measured]],
        }
        self.limits.data = {
            "wavelength": pivots[upper],
            "middle": scale(flux)[upper],
            "band": names[upper].tolist(),
            "flux": [f"{v:.4g}" for v in flux[upper]],
        }
        self._update_model(galaxy, scale)
        self._update_residuals(galaxy, measured)
        low, high = scale(np.array([scale.low, scale.high]))
        self.figure.y_range.update(start=float(low), end=float(high))
        ticker, texts = scale.ticks()
        self.figure.yaxis[0].update(ticker=ticker, major_label_overrides=texts)
        self.figure.ygrid[0].ticker = ticker

    def _update_model(self, galaxy: SelectedGalaxy, scale: FluxScale) -> None:
        predictions = galaxy.predictions
        if predictions is None:
            self.spectrum.data, self.model.data = _empty(_SPECTRUM), _empty(_MODEL)
            return
        lines = predictions.spectrum[0]
        covered = np.isfinite(lines).all(axis=0)
        levels = scale(lines[:, covered]).astype(np.float32)
        micron = (predictions.wavelength[covered] / 1e4).astype(np.float32)
        self.spectrum.data = dict(zip(_SPECTRUM, [micron, *levels], strict=True))
        bands = scale(predictions.photometry[0])
        self.model.data = dict(zip(_MODEL, [self.filters.pivots / 1e4, *bands[1:4]], strict=True))

    def _update_residuals(self, galaxy: SelectedGalaxy, measured: np.ndarray) -> None:
        if galaxy.residual is None:
            self.residuals.data = _empty(_RESIDUALS)
            return
        low, middle, high = galaxy.residual[:, measured]
        names = np.array(self.filters.names)[measured].tolist()
        values = [self.filters.pivots[measured] / 1e4, low, middle, high, names]
        self.residuals.data = dict(zip(_RESIDUALS, values, strict=True))
        reach = 1.25 * max(float(np.abs(middle).max(initial=0.0)), 3.0)
        self.beneath.y_range.update(start=-reach, end=reach)
