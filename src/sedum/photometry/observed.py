"""Observed photometry of many galaxies, the form in which all parts of sedum exchange it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced
from sedum.photometry.filters import FilterSet
from sedum.photometry.quantities import microjansky

__all__ = ["Photometry"]


@dataclass(frozen=True, repr=False)
class Photometry(Introduced):
    """Fluxes, errors and redshifts that a survey measured for some galaxies.

    Build it with :meth:`from_arrays`, or :meth:`make`, and :meth:`with_redshift`.

    Parameters
    ----------
    flux
        Flux densities in µJy, [n, bands]. Negative measurements are valid. Missing fluxes are zero;
        for an upper limit, this is the limit.
    error
        1-sigma errors that the survey reports in µJy, [n, bands]. The error of a missing flux is
        one. An upper limit is a multiple of its error.
    observed
        True if the band has a measurement or a limit, [n, bands].
    redshift
        Known redshifts, [n]; NaN if unknown.
    redshift_error
        1-sigma errors of the known redshifts in units of 1 + z, [n]; NaN if unknown.
    upper
        True if ``flux`` is an upper limit, [n, bands]. By default, no flux is one.

    Examples
    --------
    >>> from sedum import Photometry
    >>> photometry = Photometry.make(
    ...     flux=[[1.2, 3.4], [0.5, np.nan]],
    ...     error=[[0.1, 0.1], [0.1, np.nan]],
    ... )
    >>> photometry.observed
    array([[ True,  True],
           [ True, False]])
    >>> photometry.with_redshift([0.7, np.nan], error=0.001).redshift
    array([0.7, nan])
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

    def _facts(self) -> Facts:
        n, bands = self.flux.shape
        facts = {"galaxies": f"{n:,}", "bands": f"{bands}"}
        if n and bands:
            facts["observed"] = f"{self.observed.mean():.0%} of the fluxes"
        if self.upper.any():
            facts["upper limits"] = f"{int(self.upper.sum()):,}"
        facts["known redshifts"] = f"{int(np.isfinite(self.redshift).sum()):,}"
        return "", facts

    @classmethod
    def make(
        cls, flux: np.ndarray, error: np.ndarray, upper: np.ndarray | None = None
    ) -> Photometry:
        """Build photometry from fluxes and errors. No redshift is known; see :meth:`with_redshift`.

        Parameters
        ----------
        flux
            Flux densities in µJy, [n, bands]; NaN if missing.
        error
            1-sigma errors in µJy, [n, bands].
        upper
            True if the flux is an upper limit, [n, bands]. By default, no flux is one.
        """
        flux, error = np.array(flux, float), np.array(error, float)
        observed = np.isfinite(flux)
        flux[~observed], error[~observed] = 0.0, 1.0
        unknown = np.full(len(flux), np.nan)
        upper = np.zeros_like(observed) if upper is None else np.asarray(upper, bool) & observed
        return cls(flux, error, observed, unknown, unknown, upper)

    @classmethod
    def from_arrays(
        cls,
        flux: Any,
        error: Any,
        filters: FilterSet | Sequence[str] | None = None,
        upper: np.ndarray | None = None,
    ) -> Photometry:
        """Build photometry from arrays with or without units.

        Parameters
        ----------
        flux
            Flux densities, or magnitudes with a zero-point as ``astropy.units.ABmag``,
            [n, bands], or [bands] for one galaxy; NaN or masked if missing. Plain numbers are in
            µJy.
        error
            1-sigma errors, of the same shape; in ``mag`` for magnitudes.
        filters
            The bands, or their names in sedpy. Their wavelengths are needed for fluxes per unit
            wavelength.
        upper
            True if the flux is an upper limit, [n, bands]. By default, no flux is one.

        Raises
        ------
        SedumError
            If shapes differ, a unit is missing or is no flux density, or a filter is not known.

        Examples
        --------
        >>> from astropy import units
        >>> flux, error = [500.0, 800.0] * units.nJy, [20.0, 30.0] * units.nJy
        >>> Photometry.from_arrays(flux, error, filters=["sdss_g0", "sdss_r0"]).flux
        array([[0.5, 0.8]])
        """
        if filters is not None and not isinstance(filters, FilterSet):
            filters = FilterSet.from_names(filters)
        shapes = {np.shape(each) for each in (flux, error, upper) if each is not None}
        bands = np.shape(flux)[-1:]
        if len(shapes) > 1 or len(np.shape(flux)) not in (1, 2):
            raise SedumError(
                f"flux, error and upper: expected [n, bands] alike, found {sorted(shapes)}"
            )
        if filters is not None and bands != (len(filters),):
            raise SedumError(f"flux has {bands[0]} bands, and filters has {len(filters)}")
        pivots = None if filters is None else filters.pivots
        values, errors = microjansky(flux, error, pivots)
        limits = None if upper is None else np.atleast_2d(upper)
        return cls.make(np.atleast_2d(values), np.atleast_2d(errors), limits)

    @classmethod
    def concatenate(cls, parts: Sequence[Photometry]) -> Photometry:
        """Join photometry in the same bands, in order."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @property
    def measured(self) -> np.ndarray:
        """True if a flux was measured, [n, bands]: neither missing nor an upper limit."""
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
        """Return the photometry in some bands, given by their indices."""
        parts = {k: getattr(self, k)[:, bands] for k in ("flux", "error", "observed", "upper")}
        return replace(self, **parts)

    def without(self, band: int) -> Photometry:
        """Return the photometry as if a band, given by its index, had not been observed."""
        flux, error = self.flux.copy(), self.error.copy()
        observed, upper = self.observed.copy(), self.upper.copy()
        flux[:, band], error[:, band] = 0.0, 1.0
        observed[:, band] = upper[:, band] = False
        return replace(self, flux=flux, error=error, observed=observed, upper=upper)

    def scaled(self, factor: np.ndarray) -> Photometry:
        """Return the photometry with all fluxes and errors multiplied by ``factor``, [bands]."""
        error = np.where(self.observed, self.error * factor, 1.0)
        return replace(self, flux=self.flux * factor, error=error)

    def with_redshift(self, redshift: np.ndarray, error: float | np.ndarray) -> Photometry:
        """Return the photometry with known redshifts.

        Parameters
        ----------
        redshift
            Redshifts, [n]; NaN if unknown.
        error
            1-sigma errors in units of 1 + z: one number, or [n].
        """
        redshift = np.array(redshift, float)
        given = np.where(np.isfinite(redshift), error, np.nan)
        return replace(self, redshift=redshift, redshift_error=given)
