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
        Its 1-sigma error, [n]; NaN where the redshift is unknown.
    """

    flux: np.ndarray
    error: np.ndarray
    observed: np.ndarray
    redshift: np.ndarray
    redshift_error: np.ndarray

    @classmethod
    def make(
        cls,
        flux: np.ndarray,
        error: np.ndarray,
        redshift: np.ndarray | None = None,
        redshift_error: np.ndarray | float | None = None,
    ) -> Photometry:
        """Build from fluxes in which NaN means missing; see the class for the shapes."""
        flux, error = np.array(flux, float), np.array(error, float)
        observed = np.isfinite(flux)
        n = len(flux)
        z = np.full(n, np.nan) if redshift is None else np.array(redshift, float)
        dz = np.full(n, np.nan)
        if redshift_error is not None:
            dz = np.where(np.isfinite(z), redshift_error, np.nan)
        return cls(
            np.where(observed, flux, 0.0), np.where(observed, error, 1.0), observed, z, dz
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

    def without_redshift(self) -> Photometry:
        """Return the same photometry with every redshift unknown."""
        unknown = np.full(len(self), np.nan)
        return replace(self, redshift=unknown, redshift_error=unknown)
