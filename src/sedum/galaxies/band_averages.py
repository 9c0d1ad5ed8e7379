"""Averages of redshifted spectra over filters, as sums over cells.

The response of a filter to the cell [x, x + 1] of the logarithmic axis is C(x + 1) - C(x), where C
is the running integral of T λ dλ. C is tabulated in 32nds of a cell and linear between them. A
redshift shifts x, so it selects and mixes two rows of a table: the average is exact for any shift,
without interpolating spectra.
"""

from __future__ import annotations

import numpy as np
import torch

from sedum.galaxies.axis import LYMAN_ALPHA, WavelengthAxis
from sedum.galaxies.constants import LIGHT_SPEED
from sedum.photometry.filters import Filter, FilterSet

__all__ = ["BandProjection"]

_FINE = 32
#: Number of bands that are summed together.
_TOGETHER = 16


class BandProjection(torch.nn.Module):
    """Photon-counting averages of rest-frame spectra observed at a redshift.

    Parameters
    ----------
    filters
        The bands.
    axis
        Axis of the rest-frame spectra. Outside it the spectra count as zero.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(3000.0, 12000.0)
    >>> project = BandProjection(FilterSet.from_names(["sdss_r0", "sdss_i0"]), axis)
    >>> project(torch.ones(5, axis.size), torch.zeros(5, dtype=torch.float64)).shape
    torch.Size([5, 2])
    """

    rows: torch.Tensor
    offsets: torch.Tensor
    members: torch.Tensor

    def __init__(self, filters: FilterSet, axis: WavelengthAxis):
        super().__init__()
        self.axis = axis
        rows, offsets, sizes = [], [], []
        for band in filters:
            first, response = _response(band, axis.step)
            rows.append(response)
            offsets.append(first - axis.first + np.arange(response.shape[1]))
            sizes.append(response.shape[1])
        # Sums over the cells of each band are products with ones, for some bands at a time: one
        # matrix for all bands would cost the square of their number.
        self._parts: list[tuple[slice, slice]] = []
        starts = np.concatenate([[0], np.cumsum(sizes)])
        members = np.zeros((starts[-1], min(_TOGETHER, len(sizes))))
        for first in range(0, len(sizes), _TOGETHER):
            last = min(first + _TOGETHER, len(sizes))
            self._parts.append((slice(starts[first], starts[last]), slice(0, last - first)))
            for k in range(first, last):
                members[starts[k] : starts[k + 1], k - first] = 1
        table = np.concatenate(rows, axis=1).astype(np.float32)
        self.register_buffer("rows", torch.from_numpy(table))
        self.register_buffer("offsets", torch.from_numpy(np.concatenate(offsets)))
        self.register_buffer("members", torch.from_numpy(members.astype(np.float32)))

    def forward(self, spectra: torch.Tensor, redshift: torch.Tensor) -> torch.Tensor:
        """Return band averages of λ² L_λ / c.

        Parameters
        ----------
        spectra
            Luminosity per Angstrom in the rest frame, [n, cells].
        redshift
            Redshifts, [n], float64.

        Returns
        -------
        Tensor
            Averages of λ_obs² L_λ / c over each band, in L Hz⁻¹ with λ in Å, [n, bands]. Division
            by 4π d_L² (1 + z) gives flux densities per unit frequency.
        """
        shift = torch.log1p(redshift) / self.axis.step
        whole = shift.detach().floor()
        fine = (shift - whole) * _FINE
        row = fine.detach().floor().long().clamp(max=_FINE - 1)
        blend = (fine - row).to(spectra.dtype)[:, None]
        averages = []
        for part, bands in self._parts:
            weights = torch.lerp(self.rows[row, part], self.rows[row + 1, part], blend)
            cells = self.offsets[part] - whole.long()[:, None]
            outside = (cells < 0) | (cells >= spectra.shape[1])
            light = torch.gather(spectra, 1, cells.clamp(0, spectra.shape[1] - 1))
            light = light.masked_fill(outside, 0.0)
            averages.append((light * weights) @ self.members[part, bands])
        return torch.cat(averages, dim=1)


def _response(band: Filter, step: float) -> tuple[int, np.ndarray]:
    """Return the first cell that a filter covers, and its response, [_FINE + 1, cells].

    Row q is the response to cells that are shifted up by q / _FINE.
    """
    low, high = (np.log(w / LYMAN_ALPHA) / step for w in band.limits)
    first = int(np.floor(low)) - 1
    size = int(np.ceil(high)) - first + 1
    # Positions of all shifted edges, and the running integral of T λ dλ there.
    position = first + np.arange((size + 1) * _FINE + 1) / _FINE
    wavelength = LYMAN_ALPHA * np.exp(position * step)
    integral = _running_integral(band, wavelength)
    normal = np.trapezoid(band.transmission / band.wavelength, band.wavelength)
    edges = np.arange(size + 1) * _FINE
    shifted = integral[edges[None, :] + np.arange(_FINE + 1)[:, None]]
    return first, np.diff(shifted, axis=1) / (normal * LIGHT_SPEED)


def _running_integral(band: Filter, wavelength: np.ndarray) -> np.ndarray:
    """Return ∫ T λ dλ from the blue end to each wavelength, for T linear between samples."""
    grid = np.union1d(wavelength, band.wavelength)
    t = np.interp(grid, band.wavelength, band.transmission, left=0.0, right=0.0)
    steps = np.diff(grid)
    # T λ is quadratic between points of the union: Simpson's rule is exact.
    middle = 0.5 * (t[1:] + t[:-1]) * 0.5 * (grid[1:] + grid[:-1])
    inside = (grid[1:] <= band.limits[1]) & (grid[:-1] >= band.limits[0])
    areas = steps / 6 * (t[1:] * grid[1:] + t[:-1] * grid[:-1] + 4 * middle) * inside
    running = np.concatenate([[0.0], np.cumsum(areas)])
    return running[np.searchsorted(grid, wavelength)]
