"""The figure of the noise learned from a survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from sedum.observe.error_curves import ErrorCurves
from sedum.observe.noise_file import SurveySample
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled

__all__ = ["plot_noise"]

_MAGNITUDE = 2.5 / np.log(10)


def plot_noise(sample: SurveySample, path: str | Path) -> Path:
    """Draw errors against brightness in each band, what is missing, and how errors correlate.

    Parameters
    ----------
    sample
        What was learned of a catalogue.
    path
        Where to write; the extension chooses the format.
    """
    bands = len(sample.bands)
    columns = min(5, bands + 2)
    lines = -(-(bands + 2) // columns)
    curves = ErrorCurves(sample)
    with styled():
        fig = figure(2.7 * columns, 2.4 * lines)
        axes = np.atleast_1d(fig.subplots(lines, columns, squeeze=False)).ravel()
        for i, band in enumerate(sample.bands):
            _errors(axes[i], sample, curves, i)
            mark = " (reference)" if i == sample.reference else ""
            axes[i].set_title(band + mark, fontsize=8)
        _coverage(axes[bands], sample)
        _correlation(axes[bands + 1], sample)
        for axis in axes[bands + 2 :]:
            axis.set_axis_off()
        fig.supxlabel("asinh magnitude (AB)")
        fig.supylabel("error [µJy]")
        fig.suptitle(f"{sample.source}; line and band: median and central 68% as learned")
        return save(fig, path)


def _errors(axis: Axes, sample: SurveySample, curves: ErrorCurves, band: int) -> None:
    there = sample.measured[:, band]
    flux, error = (a[there, band].astype(float) for a in (sample.flux, sample.error))
    zero = 23.9 - 2.5 * np.log10(sample.depth[band])
    magnitude = zero - _MAGNITUDE * curves.magnitude(band, flux)
    axis.hexbin(
        magnitude, error, yscale="log", gridsize=35, bins="log", cmap="Greys", linewidths=0.1
    )
    first, last = np.quantile(curves.magnitude(band, flux), [0.001, 0.999])
    at = np.linspace(first, last, 200)
    bright = 2 * sample.depth[band] * np.sinh(at)
    low, middle, high = (curves.error_in(band, bright, np.full(200, t)) for t in (-1.0, 0.0, 1.0))
    x = zero - _MAGNITUDE * at
    axis.plot(x, middle, color=ORANGE, lw=1.2)
    axis.fill_between(x, low, high, color=ORANGE, alpha=0.3, lw=0)


def _coverage(axis: Axes, sample: SurveySample) -> None:
    """Draw the fractions of galaxies that are measured, limited and missing in each band."""
    measured, upper = sample.measured.mean(axis=0), sample.upper.mean(axis=0)
    at = np.arange(len(sample.bands))
    axis.barh(at, measured, color=BLUE, label="measured")
    axis.barh(at, upper, left=measured, color=ORANGE, label="limit")
    axis.barh(at, 1 - measured - upper, left=measured + upper, color="#DDDDDD", label="missing")
    axis.set_yticks(at, sample.bands, fontsize=max(3.5, 7 - 0.1 * len(at)))
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_title("measured, limit, missing", fontsize=8)


def _correlation(axis: Axes, sample: SurveySample) -> None:
    """Draw the correlation of errors at given brightness, between bands."""
    shown = axis.imshow(sample.correlation, vmin=-1, vmax=1, cmap="RdBu_r")
    axis.set_title("correlation of errors", fontsize=8)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color(GREY)
    axis.figure.colorbar(shown, ax=axis, fraction=0.05)
