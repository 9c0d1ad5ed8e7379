"""The logarithmic wavelength axis of all spectra of the forward model.

Spectra are stored as averages over cells of equal width in ln λ, so that a redshift is a shift and
any integral over whole cells is exact. One cell edge lies on Lyman alpha and one on 911.7525 Å (3/4
of it), where the absorption by the intergalactic medium sets in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LYMAN_ALPHA", "LYMAN_LIMIT", "WavelengthAxis", "fineness_of"]

#: Angstrom, vacuum.
LYMAN_ALPHA = 1215.67
LYMAN_LIMIT = 0.75 * LYMAN_ALPHA

#: Default number of cells between the Lyman limit and Lyman alpha. The step is ln(4/3)/96, which
#: gives λ/Δλ = 334.
CELLS_PER_LYMAN = 96


@dataclass(frozen=True)
class WavelengthAxis:
    """Cells of equal width in ln λ.

    Parameters
    ----------
    first
        Index of the first cell, counted from the cell whose lower edge is Lyman alpha.
    size
        Number of cells.
    fineness
        Number of cells between the Lyman limit and Lyman alpha.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(4000.0, 9000.0)
    >>> axis.edges[[0, -1]].round()
    array([3995., 9026.])
    """

    first: int
    size: int
    fineness: int = CELLS_PER_LYMAN

    @property
    def step(self) -> float:
        """Width of a cell in ln λ."""
        return float(np.log(4 / 3) / self.fineness)

    @classmethod
    def covering(cls, low: float, high: float, fineness: int = CELLS_PER_LYMAN) -> WavelengthAxis:
        """Return the smallest axis that covers wavelengths ``low`` to ``high`` in Angstrom."""
        step = np.log(4 / 3) / fineness
        first = int(np.floor(np.log(low / LYMAN_ALPHA) / step + 1e-9))
        last = int(np.ceil(np.log(high / LYMAN_ALPHA) / step - 1e-9))
        return cls(first, last - first, fineness)

    def part(self, low: float, high: float) -> slice:
        """Return the slice of the cells that cover ``low`` to ``high``, within this axis."""
        other = WavelengthAxis.covering(low, high, self.fineness)
        start = min(max(other.first - self.first, 0), self.size)
        stop = min(max(other.first + other.size - self.first, start), self.size)
        return slice(start, stop)

    def cut(self, cells: slice) -> WavelengthAxis:
        """Return the axis of some of the cells."""
        start, stop, _ = cells.indices(self.size)
        return WavelengthAxis(self.first + start, stop - start, self.fineness)

    @property
    def edges(self) -> np.ndarray:
        """Edges of the cells in Angstrom, [size + 1]."""
        return LYMAN_ALPHA * np.exp((self.first + np.arange(self.size + 1)) * self.step)

    @property
    def centres(self) -> np.ndarray:
        """Geometric centres of the cells in Angstrom, [size]."""
        return LYMAN_ALPHA * np.exp((self.first + 0.5 + np.arange(self.size)) * self.step)

    @property
    def widths(self) -> np.ndarray:
        """Widths of the cells in Angstrom, [size]."""
        return np.diff(self.edges)

    def cell_of(self, wavelength: np.ndarray | float) -> np.ndarray:
        """Return the index of the cell of each wavelength; it may lie outside the axis."""
        offset = np.log(np.asarray(wavelength) / LYMAN_ALPHA) / self.step - self.first
        # An edge belongs to the cell below it, so that the Lyman-alpha line lies on the side that
        # the intergalactic medium absorbs.
        return np.ceil(offset - 1e-9).astype(int) - 1

    def slice_of(self, part: WavelengthAxis) -> slice:
        """Return the slice of the cells that are those of ``part``."""
        start = part.first - self.first
        if start < 0 or start + part.size > self.size or part.fineness != self.fineness:
            raise IndexError("the part leaves the axis")
        return slice(start, start + part.size)

    def average(self, wavelength: np.ndarray, spectra: np.ndarray) -> np.ndarray:
        """Return the averages over the cells of spectra that are sampled elsewhere.

        The spectra are linear between their samples and zero outside; the averages conserve their
        integrals over λ.

        Parameters
        ----------
        wavelength
            Wavelengths in Angstrom, increasing, [m].
        spectra
            Spectra per unit wavelength, [..., m].

        Returns
        -------
        ndarray
            Averages, [..., size].
        """
        edges = self.edges
        steps = np.diff(wavelength)
        areas = 0.5 * (spectra[..., 1:] + spectra[..., :-1]) * steps
        cumulative = np.zeros(spectra.shape)
        np.cumsum(areas, axis=-1, out=cumulative[..., 1:])
        at = np.clip(edges, wavelength[0], wavelength[-1])
        i = np.clip(np.searchsorted(wavelength, at, side="right") - 1, 0, len(steps) - 1)
        d = at - wavelength[i]
        slope = (spectra[..., i + 1] - spectra[..., i]) / steps[i]
        integral = cumulative[..., i] + d * (spectra[..., i] + 0.5 * slope * d)
        return np.diff(integral, axis=-1) / self.widths


def fineness_of(resolving_power: float) -> int:
    """Return the number of cells from the Lyman limit to Lyman alpha for a resolving power.

    Examples
    --------
    >>> fineness_of(334.0)
    96
    """
    return int(np.ceil(resolving_power * np.log(4 / 3) - 0.5))
