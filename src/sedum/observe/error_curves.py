"""Median and scatter of the errors of each band against brightness."""

from __future__ import annotations

import numpy as np

from sedum.observe.noise_file import SurveySample

__all__ = ["ErrorCurves"]


#: Maximum distance of an error from the median, in units of the spread.
_FAR = 30.0


class ErrorCurves:
    """The reported error of a source: exp(centre + spread · t), both functions of brightness.

    Brightness is ``arcsinh(flux / 2b)``, where b is the depth of the band (Lupton, Gunn & Szalay
    1999), and t is a standardised number. Beyond the last node the spread is constant. The median
    error is constant below the first node; above the last it continues with its slope, limited to
    between zero and proportional to the flux.

    Parameters
    ----------
    sample
        What was learned from a catalogue.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> curves = ErrorCurves(fit_noise(rows, run.band_names()))
    >>> error = curves.error(np.full((1, 3), 2.0), np.zeros(3))
    >>> curves.latent_of(np.full((1, 3), 2.0), error).round(6) + 0.0
    array([[0., 0., 0.]])
    """

    def __init__(self, sample: SurveySample):
        self._depth = sample.depth
        reach = 20.0
        nodes, centre, spread = sample.nodes, sample.centre, sample.spread
        run = np.maximum(nodes[:, -1] - nodes[:, -2], 1e-6)
        slope = np.clip((centre[:, -1] - centre[:, -2]) / run, 0, 1)
        self._nodes = np.column_stack([nodes, nodes[:, -1] + reach])
        self._centre = np.column_stack([centre, centre[:, -1] + reach * slope])
        self._spread = np.column_stack([spread, spread[:, -1]])

    def magnitude(self, band: int, flux: np.ndarray) -> np.ndarray:
        """Return the brightness of fluxes in µJy in a band, in any shape."""
        return np.arcsinh(flux / (2 * self._depth[band]))

    def _at(self, band: int, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        magnitude = self.magnitude(band, flux)
        centre = np.interp(magnitude, self._nodes[band], self._centre[band])
        return centre, np.interp(magnitude, self._nodes[band], self._spread[band])

    def error_in(self, band: int, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return errors in µJy in one band."""
        centre, spread = self._at(band, flux)
        return np.exp(centre + spread * latent)

    def latent_in(self, band: int, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the standardised numbers t of errors in one band."""
        centre, spread = self._at(band, flux)
        # Errors far from those of the catalogue still give a finite number.
        return np.clip((np.log(error) - centre) / spread, -_FAR, _FAR)

    def error(self, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return errors in µJy of fluxes [..., bands]."""
        latent = np.broadcast_to(latent, np.shape(flux))
        parts = [self.error_in(b, flux[..., b], latent[..., b]) for b in range(len(self._depth))]
        return np.stack(parts, axis=-1)

    def latent_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the standardised numbers t of errors [..., bands]."""
        parts = [self.latent_in(b, flux[..., b], error[..., b]) for b in range(len(self._depth))]
        return np.stack(parts, axis=-1)
