"""Observed photometry of many galaxies, the form in which every room exchanges it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Photometry"]


@dataclass(frozen=True)
class Photometry:
    """What a survey measured of some galaxies.

    Parameters
    ----------
    flux
        Flux densities in µJy, [n, bands]; negative values are real. Zero where missing.
    error
        The reported 1-sigma errors in µJy, [n, bands]. One where missing.
    observed
        True where the band was measured, [n, bands].
    redshift
        Redshift given beside the photometry, [n]; NaN where unknown.
    redshift_error
        Its 1-sigma error in units of 1 + z, [n]; NaN where the redshift is unknown.
    """

    flux: np.ndarray
    error: np.ndarray
    observed: np.ndarray
    redshift: np.ndarray
    redshift_error: np.ndarray

    @classmethod
    def make(cls, flux: np.ndarray, error: np.ndarray) -> Photometry:
        """Build from fluxes and errors in µJy, [n, bands]; a flux of NaN means missing.

        No redshift is given; see :meth:`with_redshift`.
        """
        flux, error = np.array(flux, float), np.array(error, float)
        observed = np.isfinite(flux)
        unknown = np.full(len(flux), np.nan)
        return cls(
            np.where(observed, flux, 0.0),
            np.where(observed, error, 1.0),
            observed,
            unknown,
            unknown,
        )

    def __len__(self) -> int:
        return len(self.flux)

    def __getitem__(self, rows: slice | np.ndarray) -> Photometry:
        return Photometry(
            self.flux[rows],
            self.error[rows],
            self.observed[rows],
            self.redshift[rows],
            self.redshift_error[rows],
        )

    def with_redshift(self, redshift: np.ndarray, error: float) -> Photometry:
        """Return the same photometry with redshifts given, [n]; NaN where unknown.

        ``error`` is their 1-sigma error in units of 1 + z.
        """
        redshift = np.array(redshift, float)
        given = np.where(np.isfinite(redshift), error, np.nan)
        return replace(self, redshift=redshift, redshift_error=given)
