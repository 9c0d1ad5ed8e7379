"""Densities p(z) of draws on a grid of redshifts, by normal kernels."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["density_peak", "kernel_width", "normalise_density", "redshift_density", "redshift_grid"]

#: Kernels are cut off at this number of widths from their centre, at exp(-18) of the peak.
_REACH = 6.0
#: Width of the shortest interval that contains a quarter of a standard normal distribution.
_QUARTER = 0.6373


def kernel_width(ordered: np.ndarray) -> np.ndarray:
    """Return the width of normal kernels about draws [n, draws] in increasing order, [n].

    Silverman's rule is applied to the shortest interval that contains a quarter of the draws,
    which is narrow even if there are several peaks.

    Examples
    --------
    >>> kernel_width(np.linspace(0, 1, 101)[None]).round(3)
    array([0.14])
    """
    size = ordered.shape[1]
    quarter = max(size // 4, 1)
    spread = (ordered[:, quarter:] - ordered[:, :-quarter]).min(axis=1) / _QUARTER
    return 0.9 * spread * size**-0.2


@njit(cache=True, nogil=True, error_model="numpy")
def _add_kernel(x: float, sigma: float, cell: int, at: np.ndarray, out: np.ndarray) -> None:
    """Add a normal kernel about x to out, [g], going both ways from a cell of the points."""
    scale = 1.0 / sigma
    low, high = x - _REACH * sigma, x + _REACH * sigma
    k = cell
    while k >= 0 and at[k] >= low:
        t = (at[k] - x) * scale
        out[k] += scale * np.exp(-0.5 * t * t)
        k -= 1
    k = cell + 1
    while k < len(at) and at[k] <= high:
        t = (at[k] - x) * scale
        out[k] += scale * np.exp(-0.5 * t * t)
        k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _add_kernels(
    ordered: np.ndarray,
    width: np.ndarray,
    at: np.ndarray,
    low: float,
    high: float,
    out: np.ndarray,
) -> None:
    """Add normal kernels about draws to out, reflected at the bounds low and high.

    ordered: [n, draws], increasing, none NaN; width: of each galaxy's kernels, [n]; at: points,
    increasing, [g]; out: [n, g], of zeros. No kernel is narrower than the cell of the grid that
    its draw lies in.
    """
    for i in range(len(ordered)):
        cell = 0
        for j in range(ordered.shape[1]):
            x = ordered[i, j]
            while cell < len(at) - 2 and at[cell + 1] <= x:
                cell += 1
            sigma = max(width[i], at[cell + 1] - at[cell])
            _add_kernel(x, sigma, cell, at, out[i])
            if x - low < _REACH * sigma:
                _add_kernel(2 * low - x, sigma, -1, at, out[i])
            if high - x < _REACH * sigma:
                _add_kernel(2 * high - x, sigma, len(at) - 1, at, out[i])


def redshift_density(
    draws: np.ndarray,
    grid: np.ndarray,
    bounds: tuple[float, float] | None = None,
    ordered: bool = False,
) -> np.ndarray:
    """Return p(z) of draws on a grid of redshifts, by normal kernels in ln(1 + z).

    The width of the kernels is that of :func:`kernel_width`, or that of the cell of the grid that
    contains the draw if that is wider. A given redshift is therefore as narrow as the grid
    allows.

    Parameters
    ----------
    draws
        Redshifts, [n, draws].
    grid
        Increasing redshifts, at least two, [g].
    bounds
        Bounds of the prior, at which kernels are reflected. Without reflection the density of a
        posterior that reaches a bound would be half its value there. None for no bounds.
    ordered
        Whether the draws of each galaxy are in increasing order.

    Returns
    -------
    ndarray
        Densities, [n, g]. They are zero beyond the bounds, and NaN if a draw is.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(1.0, 0.1, (1, 1000))
    >>> grid = np.linspace(0, 2, 201)
    >>> density = redshift_density(draws, grid)
    >>> float(np.trapezoid(density[0], grid).round(2))
    1.0
    """
    n, size = draws.shape
    grid = np.asarray(grid, np.float64)
    x = np.log1p(np.asarray(draws, np.float64))
    if not ordered:
        x = np.sort(x, axis=1)
    good = np.isfinite(x).all(axis=1)
    at = np.log1p(grid)
    some = np.ascontiguousarray(x[good])
    densities = np.zeros((len(some), len(at)))
    low, high = (-np.inf, np.inf) if bounds is None else np.log1p(bounds)
    _add_kernels(some, kernel_width(some), at, low, high, densities)
    if bounds is not None:
        # Allow for the rounding of the ends of the grid to single precision.
        slack = 1e-6 * (1 + grid)
        densities[:, (grid < bounds[0] - slack) | (grid > bounds[1] + slack)] = 0.0
    out = np.full((n, len(grid)), np.nan)
    out[good] = densities / (np.sqrt(2 * np.pi) * size * (1 + grid))
    return out


def normalise_density(density: np.ndarray, grid: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Scale densities so that the integral of each is the fraction of its draws within the grid.

    Without scaling, kernels near the ends of the grid would contribute only partly.

    Parameters
    ----------
    density
        Densities, [n, g].
    grid
        Increasing redshifts, [g].
    draws
        Redshifts behind the densities, [n, draws].

    Returns
    -------
    ndarray
        Scaled densities, [n, g]. The integral is that of the trapezoidal rule.
    """
    inside = ((draws >= grid[0]) & (draws <= grid[-1])).mean(axis=1)
    total = np.trapezoid(density, grid, axis=1)
    scale = np.divide(inside, total, out=np.zeros(len(total)), where=total > 0)
    scale[np.isnan(total)] = np.nan
    return density * scale[:, None]


def density_peak(density: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the redshift of the maximum of densities [n, g] on a grid [g], [n].

    It is the vertex of the parabola through the logarithms of the maximum and its neighbours,
    which is exact for a normal distribution. It is NaN if the density is NaN or zero everywhere.
    """
    filled = np.where(np.isnan(density), -1.0, density)
    best = filled.argmax(axis=1)
    middle = np.clip(best, 1, len(grid) - 2)
    rows = np.arange(len(density))
    x0, x1, x2 = grid[middle - 1], grid[middle], grid[middle + 1]
    y0, y1, y2 = (np.log(np.maximum(filled[rows, middle + k], 1e-300)) for k in (-1, 0, 1))
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)  # half the second derivative
    inner = (best == middle) & (bend < 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = (x0 + x1) / 2 - left / (2 * bend)
    peak = np.where(inner, np.clip(vertex, x0, x2), grid[best])
    return np.where(filled[rows, best] > 0, np.where(filled.min(axis=1) < 0, np.nan, peak), np.nan)


def redshift_grid(low: float, high: float, points: int) -> np.ndarray:
    """Return evenly spaced redshifts, [points], as readers of p(z) such as qp expect.

    They are numbers of single precision, so that every file format returns the same numbers.
    """
    return np.linspace(low, high, points).astype(np.float32).astype(np.float64)
