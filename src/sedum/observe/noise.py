"""Noise from survey depths: the same object simulates observations and is their likelihood."""

from __future__ import annotations

import numpy as np

from sedum import config
from sedum.photometry.observed import Photometry
from sedum.photometry.units import magnitude_to_flux

__all__ = ["NoiseModel"]


class NoiseModel:
    """Gaussian errors about survey depths, a calibration floor, and missing bands.

    A galaxy's reported error in a band is the depth's, times a factor that is log-normal with
    one part common to its bands (apertures differ) and one part of each band (exposure
    differs). It is drawn without regard to the flux, so it cannot betray it. The observed flux
    is normal about the true one with variance ``error² + (floor · flux)²``: the floor, a
    calibration or model error in proportion to the true flux, is not in the reported error.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        The noise section of the run file.
    """

    def __init__(self, bands: list[str], spec: config.Noise):
        self.bands = bands
        self.spec = spec
        depths = np.array([spec.depths[band] for band in bands])
        #: 1-sigma error at the nominal depth in µJy, [bands].
        self.depth = magnitude_to_flux(depths) / 5
        floor = spec.floor
        #: Calibration error as a fraction of the true flux, [bands].
        self.floor = np.array(
            [floor.get(band, 0.0) if isinstance(floor, dict) else floor for band in bands]
        )
        self._cut = bands.index(spec.selection.band) if spec.selection else None

    def observe(
        self,
        flux: np.ndarray,
        rng: np.random.Generator,
        redshift: np.ndarray | None = None,
    ) -> Photometry:
        """Draw one observation of each galaxy.

        Parameters
        ----------
        flux
            Noiseless flux densities in µJy, [n, bands].
        rng
            Source of randomness.
        redshift
            True redshifts, [n], of which a share is given, with errors, as the run file says.

        Returns
        -------
        Photometry
            Before any selection; see :meth:`selected`.
        """
        n, b = flux.shape
        shared = self.spec.shared_scatter * rng.standard_normal((n, 1), np.float32)
        own = self.spec.scatter * rng.standard_normal((n, b), np.float32)
        error = self.depth * 10 ** (shared + own)
        noisy = flux + np.hypot(error, self.floor * flux) * rng.standard_normal((n, b), np.float32)
        observed = rng.random((n, b), np.float32) >= self.spec.missing
        if self._cut is not None:
            observed[:, self._cut] = True
        given = np.full(n, np.nan)
        if redshift is not None:
            known = rng.random(n) < self.spec.redshift_given
            sigma = self.spec.redshift_error * (1 + redshift)
            measured = redshift + sigma * rng.standard_normal(n)
            given[known] = measured[known]
        seen = Photometry.make(np.where(observed, noisy, np.nan), error)
        return seen.with_redshift(given, self.spec.redshift_error)

    def selected(self, photometry: Photometry) -> np.ndarray:
        """Say which galaxies the survey would keep, [n]: a cut on what is observed alone."""
        any_band = np.asarray(photometry.observed.any(axis=1))
        if self._cut is None or self.spec.selection is None:
            return any_band
        snr = photometry.flux[:, self._cut] / photometry.error[:, self._cut]
        return any_band & photometry.observed[:, self._cut] & (snr >= self.spec.selection.snr)

    def log_likelihood(self, photometry: Photometry, flux: np.ndarray) -> np.ndarray:
        """Return log p(observed fluxes | true fluxes, reported errors).

        Parameters
        ----------
        photometry
            n observations.
        flux
            True flux densities in µJy, [n, bands] or, for several models of each galaxy,
            [n, models, bands].

        Returns
        -------
        ndarray
            [n] or [n, models]; missing bands count for nothing.
        """
        seen, error, observed = photometry.flux, photometry.error, photometry.observed
        if flux.ndim == 3:
            seen, error, observed = seen[:, None], error[:, None], observed[:, None]
        variance = error**2 + (self.floor * flux) ** 2
        terms = -0.5 * ((seen - flux) ** 2 / variance + np.log(2 * np.pi * variance))
        return np.where(observed, terms, 0.0).sum(axis=-1)
