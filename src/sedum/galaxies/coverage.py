"""Checks that bands and priors stay within a grid, and the cells of the grid that bands cover."""

from __future__ import annotations

import numpy as np
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.axis import WavelengthAxis
from sedum.galaxies.components.igm import TABLE_STEP
from sedum.galaxies.cosmology import MAX_REDSHIFT
from sedum.galaxies.stellar_grids.grid import StellarGrid
from sedum.photometry.filters import Filter, FilterSet
from sedum.priors.joint import Prior

__all__ = ["check_bands", "check_priors", "parameter_bounds", "redshift_range", "seen_cells"]

#: Maximum wavelength in Angstrom at which spectra without dust emission are meaningful.
_STARLIGHT_TO = 3.2e5
#: Below this transmission, what a band covers beyond the spectra does not matter.
_OPAQUE = 0.01
#: Cells with less transmission than this at all redshifts at which a band covers them are omitted.
_DARK = 1e-6


def redshift_range(prior: Prior) -> tuple[float, float]:
    """Return the minimum and maximum redshift of a prior.

    Raises
    ------
    SedumError
        If the range leaves that of the tabulated cosmology.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> redshift_range(GalaxyModel.from_run(run).prior)
    (0.05, 1.0)
    """
    low, high = prior.support("redshift")
    if not (0 <= low <= high <= MAX_REDSHIFT):
        raise SedumError(
            f"priors.redshift: runs from {low:g} to {high:g}; allowed: 0 to {MAX_REDSHIFT:g}"
        )
    return low, high


def parameter_bounds(prior: Prior, grid: StellarGrid) -> dict[str, tuple[float, float]]:
    """Return the range of each parameter in which it is defined and the grid has values.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> parameter_bounds(model.prior, model.grid)["log_u"]
    (-4.0, 0.0)
    """
    bounds = {}
    for name in prior.names:
        known = config.parameter(name)
        bounds[name] = (known.low, known.high)
    bounds["redshift"] = redshift_range(prior)
    for name in ("log_z", "log_z_gas"):
        bounds[name] = (float(grid.log_z[0]), float(grid.log_z[-1]))
    bounds["log_u"] = (float(grid.log_u[0]), float(grid.log_u[-1]))
    return bounds


def check_priors(
    spec: config.ModelSettings,
    prior: Prior,
    grid: StellarGrid,
    bounds: dict[str, tuple[float, float]],
) -> None:
    """Refuse priors that leave the grid, and a mode of ionisation that the grid does not allow.

    Parameters
    ----------
    spec
        The components of the model.
    prior
        The joint prior.
    grid
        The stellar grid.
    bounds
        Range of each parameter, from :func:`parameter_bounds`.

    Raises
    ------
    SedumError
        If a prior leaves its range, or the grid does not fit ``spec.ionisation``.

    Examples -------- >>> from sedum import GalaxyModel >>> model = GalaxyModel.from_run(run) >>>
    check_priors(model.config, model.prior, model.grid, parameter_bounds(model.prior, model.grid))
    """
    single = len(grid.log_u) == 1
    if spec.nebular and single and spec.ionisation == "free":
        raise SedumError(
            f"model.ionisation: the grid {grid.name!r} has one ionisation parameter only; set "
            "ionisation: grid"
        )
    if spec.nebular and not single and spec.ionisation == "grid":
        raise SedumError(
            f"model.ionisation: the grid {grid.name!r} has {len(grid.log_u)} ionisation "
            "parameters; set ionisation: free, with a fixed prior for one value"
        )
    for name in prior.names:
        low, high = prior.support(name)
        minimum, maximum = bounds[name]
        below = low < minimum - 1e-9 * (1 + abs(minimum))
        if below or high > maximum + 1e-9 * (1 + abs(maximum)):
            raise SedumError(
                f"priors.{name}: runs from {low:g} to {high:g}; the grid {grid.name!r} covers "
                f"{minimum:g} to {maximum:g}"
            )


def check_bands(
    filters: FilterSet,
    spec: config.ModelSettings,
    grid: StellarGrid,
    redshifts: tuple[float, float],
    medium: torch.Tensor | None,
) -> None:
    """Refuse bands that leave the spectra at some redshift.

    Parameters
    ----------
    filters
        The bands.
    spec
        The components of the model. Without dust emission spectra end in the mid-infrared.
    grid
        The stellar grid.
    redshifts
        Minimum and maximum redshift.
    medium
        Transmission of the intergalactic medium, [redshifts, blue cells], or None. A band may
        extend beyond the spectra where the medium is opaque.

    Raises
    ------
    SedumError
        If a band leaves the spectra.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> check_bands(model.filters, model.config, model.grid, (0.05, 1.0), None)
    >>> check_bands(model.filters, model.config, model.grid, (0.05, 19.0), None)
    Traceback (most recent call last):
    ...
    sedum.errors.SedumError: filters: band 'sdss_g0' (...) leaves the spectra, ...
    """
    z_low, z_high = redshifts
    edges = grid.axis.edges
    blue = max(edges[0] * 1.02, grid.limits[0])
    red = edges[-1]
    if spec.dust.emission == "none":
        red = min(red, grid.limits[1], _STARLIGHT_TO)
    bluest = grid.axis.part(blue, blue * 1.01).start
    for band in filters:
        if band.limits[1] / (1 + z_low) > red:
            _refuse_band(band, z_low, blue, red)
        if band.limits[0] / (1 + z_high) < blue:
            first = max(band.limits[0] / blue - 1, z_low)
            if medium is None or medium[int(first / TABLE_STEP), bluest] >= _OPAQUE:
                _refuse_band(band, z_high, blue, red)


def _refuse_band(band: Filter, z: float, blue: float, red: float) -> None:
    raise SedumError(
        f"filters: band {band.name!r} ({band.limits[0]:.0f}-{band.limits[1]:.0f} Å) leaves the "
        f"spectra, which cover {blue:.0f} to {red:.0f} Å at rest, at z = {z:g}; leave the band "
        "out, narrow priors.redshift, or (in the infrared) set model.dust.emission"
    )


def seen_cells(
    filters: FilterSet,
    axis: WavelengthAxis,
    redshifts: tuple[float, float],
    medium: torch.Tensor | None,
) -> slice:
    """Return the cells that the bands cover at any redshift, except those that are always dark.

    Parameters
    ----------
    filters
        The bands.
    axis
        Axis of the rest-frame spectra.
    redshifts
        Minimum and maximum redshift.
    medium
        As for :func:`check_bands`.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(900.0, 20000.0)
    >>> cells = seen_cells(FilterSet.from_names(["sdss_r0"]), axis, (0.0, 1.0), None)
    >>> axis.cut(cells).edges[[0, -1]].round()
    array([2610., 7231.])
    """
    z_low, z_high = redshifts
    blue = min(band.limits[0] for band in filters) / (1 + z_high)
    red = max(band.limits[1] for band in filters) / (1 + z_low)
    seen = axis.part(blue, red)
    if medium is None:
        return seen
    table = medium.cpu().numpy()
    bluest = min(band.limits[0] for band in filters)
    count = max(table.shape[1] - seen.start, 0)
    edges = axis.edges[seen.start + 1 : seen.start + 1 + count]
    seen_from = np.maximum(bluest / edges - 1, z_low)
    rows = np.minimum((seen_from / TABLE_STEP).astype(int), len(table) - 1)
    bright = np.flatnonzero(table[rows, seen.start + np.arange(count)] > _DARK)
    skip = int(bright[0]) if len(bright) else 0
    return slice(seen.start + skip, seen.stop)
