"""Whether bands and priors stay within a grid, and which of its cells the bands see."""

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

#: Without dust emission spectra mean nothing redward of this, in Angstrom.
_STARLIGHT_TO = 3.2e5
#: What passes less than this hides what a band would see beyond the spectra.
_HIDDEN = 0.01
#: Cells through which less than this passes at every redshift that shows them are left out.
_DARK = 1e-6


def redshift_range(prior: Prior) -> tuple[float, float]:
    """Return the least and greatest redshift of a prior; refuse those without a cosmology."""
    low, high = prior.support("redshift")
    if not (0 <= low <= high <= MAX_REDSHIFT):
        raise SedumError(
            f"priors.redshift: runs from {low:g} to {high:g}; allowed: 0 to {MAX_REDSHIFT:g}"
        )
    return low, high


def parameter_bounds(prior: Prior, grid: StellarGrid) -> dict[str, tuple[float, float]]:
    """Return the range of each parameter: where it has a meaning, and the grid reaches."""
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
    """Refuse priors that leave the grid, and an axis of ionisation that it has not."""
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
        least, most = bounds[name]
        if low < least - 1e-9 * (1 + abs(least)) or high > most + 1e-9 * (1 + abs(most)):
            raise SedumError(
                f"priors.{name}: runs from {low:g} to {high:g}; the grid {grid.name!r} covers "
                f"{least:g} to {most:g}"
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
        The components: without dust emission spectra end in the mid-infrared.
    grid
        The grid.
    redshifts
        Least and greatest redshift.
    medium
        Transmission of the intergalactic medium, [redshifts, blue cells], which may hide what a
        band would see beyond the spectra; None without.
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
            if medium is None or medium[int(first / TABLE_STEP), bluest] >= _HIDDEN:
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
    """Return the cells that the bands can see, less those that are always dark."""
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
    lit = np.flatnonzero(table[rows, seen.start + np.arange(count)] > _DARK)
    skip = int(lit[0]) if len(lit) else 0
    return slice(seen.start + skip, seen.stop)
