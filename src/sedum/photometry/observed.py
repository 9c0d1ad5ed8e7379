"""Observed photometry of many galaxies, the form in which every room exchanges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

__all__ = ["Photometry"]


@dataclass(frozen=True)
class Photometry:
    """What a survey measured of some galaxies.

    Parameters
    ----------
    flux
        Flux densities in µJy, [n, bands]; negative values are real. Zero where missing; the
        limit where only an upper limit is known.
    error
        The reported 1-sigma errors in µJy, [n, bands]. One where missing; for an upper limit
        the error that it is a multiple of.
    observed
        True where the band says something, a measurement or a limit, [n, bands].
    redshift
        Redshift given beside the photometry, [n]; NaN where unknown.
    redshift_error
        Its 1-sigma error in units of 1 + z, [n]; NaN where the redshift is unknown.
    upper
        True where ``flux`` is an upper limit, [n, bands]; nowhere if not given.
    """

    flux: np.ndarray
    error: np.ndarray
    observed: np.ndarray
    redshift: np.ndarray
    redshift_error: np.ndarray
    upper: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))

    def __post_init__(self) -> None:
        if not self.upper.size:
            object.__setattr__(self, "upper", np.zeros(np.shape(self.flux), bool))

    @classmethod
    def make(
        cls, flux: np.ndarray, error: np.ndarray, upper: np.ndarray | None = None
    ) -> Photometry:
        """Build from fluxes and errors in µJy, [n, bands]; a flux of NaN means missing.

        ``upper`` says which fluxes are upper limits. No redshift is given; see
        :meth:`with_redshift`.
        """
        flux, error = np.array(flux, float), np.array(error, float)
        observed = np.isfinite(flux)
        flux[~observed], error[~observed] = 0.0, 1.0
        unknown = np.full(len(flux), np.nan)
        upper = np.zeros_like(observed) if upper is None else np.asarray(upper, bool) & observed
        return cls(flux, error, observed, unknown, unknown, upper)

    @classmethod
    def concatenate(cls, parts: Sequence[Photometry]) -> Photometry:
        """Join observations in the same bands, in order."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @property
    def measured(self) -> np.ndarray:
        """True where a flux was measured, [n, bands]: neither missing nor an upper limit."""
        return self.observed & ~self.upper

    @property
    def log_snr(self) -> np.ndarray:
        """Return ln sqrt(1 + S²), [n], of the total signal-to-noise S over all measured bands."""
        ratio = np.where(self.measured, self.flux / self.error, 0.0)
        return 0.5 * np.log1p((ratio**2).sum(axis=1))

    def __len__(self) -> int:
        return len(self.flux)

    def __getitem__(self, rows: slice | np.ndarray) -> Photometry:
        return Photometry(*(getattr(self, f.name)[rows] for f in fields(self)))

    def of_bands(self, bands: list[int]) -> Photometry:
        """Return the part in some bands, by their indices."""
        parts = {k: getattr(self, k)[:, bands] for k in ("flux", "error", "observed", "upper")}
        return replace(self, **parts)

    def without(self, band: int) -> Photometry:
        """Return the same photometry as if a band, by its index, had not been observed."""
        flux, error = self.flux.copy(), self.error.copy()
        observed, upper = self.observed.copy(), self.upper.copy()
        flux[:, band], error[:, band] = 0.0, 1.0
        observed[:, band] = upper[:, band] = False
        return replace(self, flux=flux, error=error, observed=observed, upper=upper)

    def scaled(self, factor: np.ndarray) -> Photometry:
        """Return the same photometry with fluxes, errors and limits times a factor, [bands]."""
        error = np.where(self.observed, self.error * factor, 1.0)
        return replace(self, flux=self.flux * factor, error=error)

    def with_redshift(self, redshift: np.ndarray, error: float | np.ndarray) -> Photometry:
        """Return the same photometry with redshifts given, [n]; NaN where unknown.

        ``error`` is their 1-sigma error in units of 1 + z, one or [n].
        """
        redshift = np.array(redshift, float)
        given = np.where(np.isfinite(redshift), error, np.nan)
        return replace(self, redshift=redshift, redshift_error=given)
