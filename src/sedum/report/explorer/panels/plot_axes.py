"""Axes and figures of one style, for panels in a browser."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import CustomJSTickFormatter, FixedTicker
from bokeh.plotting import figure

__all__ = ["FluxScale", "plain_ticks", "plot", "round_steps"]

#: The values of each decade that have labels on an axis.
_STEPS = (1, 2, 3, 5)


def plot(**options: Any) -> Any:
    """Return an empty figure that fills its container."""
    settings: dict[str, Any] = {
        "sizing_mode": "stretch_both",
        "toolbar_location": "above",
        "tools": "pan,box_zoom,wheel_zoom,reset,save",
        "min_border": 4,
        "background_fill_color": None,
        "border_fill_color": None,
    }
    made = figure(**(settings | options))
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.outline_line_color = None
    for axis in made.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.axis_label_standoff = 4
        axis.minor_tick_line_color = None
    made.grid.grid_line_color = "#eeeeee"
    return made


def plain_ticks() -> CustomJSTickFormatter:
    """Return a formatter of numbers without exponents near one."""
    return CustomJSTickFormatter(
        code="""
        const size = Math.abs(tick)
        if (size != 0 && (size < 1e-3 || size >= 1e5)) return tick.toExponential(0)
        return String(Number(tick.toPrecision(3)))
        """
    )


def round_steps(low: float, high: float) -> list[float]:
    """Return about five round values of a logarithmic axis between two positive values."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    count = np.log10(high / low)
    steps = _STEPS if count < 2 else (1, 3) if count < 3.5 else (1,)
    values = [s * 10.0**d for d in decades for s in steps]
    if count > 7:
        values = values[::2]
    return [f for f in values if low <= f <= high]


class FluxScale:
    """A scale of fluxes that is logarithmic above the noise and linear within it.

    Browsers draw arcsinh(flux / noise) on a linear axis, and ticks at round fluxes. Negative
    fluxes are real and are shown.

    Parameters
    ----------
    flux, error
        What is shown, in µJy, [bands]; errors are NaN of upper limits and where they make no sense.
    model
        Model fluxes that are to be seen, in µJy.
    """

    def __init__(self, flux: np.ndarray, error: np.ndarray, model: np.ndarray):
        shown = np.concatenate([flux, model])
        shown = shown[np.isfinite(shown)]
        positive = shown[shown > 0]
        top = float(positive.max()) if len(positive) else 1.0
        sound = np.isfinite(error)
        self.noise = float(np.median(error[sound])) if sound.any() else 0.01 * top
        lowest = float(flux.min()) if len(flux) else float(positive.min(initial=top))
        if len(flux) and (flux > 5 * error)[sound].all():
            # All fluxes are bright, so that the axis is only logarithmic.
            self.noise = min(self.noise, 0.01 * lowest)
            low = min(lowest, float(positive.min(initial=lowest))) / 2
        else:
            low = min(lowest - self.noise, -self.noise)
        self.low, self.high = low, 3 * top

    def __call__(self, flux: np.ndarray) -> np.ndarray:
        """Return the positions of fluxes in µJy on the axis."""
        return np.arcsinh(np.asarray(flux, float) / self.noise)

    def ticks(self) -> tuple[FixedTicker, dict[float, str]]:
        """Return the ticker and the labels of its ticks."""
        ticks: list[float] = []
        if self.low <= 0:
            ticks = [0.0]
            if -self.low > 3 * self.noise:
                ticks += [-v for v in round_steps(3 * self.noise, -self.low)]
        ticks += round_steps(max(self.low, 2 * self.noise), self.high)
        # Labels need space between them.
        span = float(np.ptp(self(np.array([self.low, self.high]))))
        kept: list[float] = []
        for value in sorted(ticks, key=lambda v: (v != 0, v < 0, v)):
            at = float(self(np.array(value)))
            if all(abs(at - float(self(np.array(k)))) > 0.07 * span for k in kept):
                kept.append(value)
        places = [float(self(np.array(v))) for v in kept]
        texts = {p: f"{v:g}".replace("-", "−") for p, v in zip(places, kept, strict=True)}
        return FixedTicker(ticks=places), texts
