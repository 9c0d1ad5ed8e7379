"""The logarithmic wavelength axis on which every spectrum of the forward model lives.

Spectra are stored as averages over cells that are equally wide in ln λ, so that a redshift is
a shift and any integral over whole cells is exact. One cell edge lies on Lyman alpha and one
on 911.7525 Å (3/4 of it), where the intergalactic medium makes the spectrum jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LYMAN_ALPHA", "LYMAN_LIMIT", "WavelengthAxis", "fineness_of"]

#: Angstrom, vacuum.
LYMAN_ALPHA = 1215.67
LYMAN_LIMIT = 0.75 * LYMAN_ALPHA

#: Cells between the Lyman limit and Lyman alpha by default; the step is ln(4/3)/96, so that
#: λ/Δλ = 334.
CELLS_PER_LYMAN = 96


@dataclass(frozen=True)
class WavelengthAxis:
    """Cells of equal width in ln λ.

    Parameters
    ----------
    first
        Index of the first cell, counted from the one whose lower edge is Lyman alpha.
    size
        The number of cells.
    fineness
        Cells between the Lyman limit and Lyman alpha.
    """

    first: int
    size: int
    fineness: int = CELLS_PER_LYMAN

    @property
    def step(self) -> float:
        """The width of a cell in ln λ."""
        return float(np.log(4 / 3) / self.fineness)

    @classmethod
    def covering(cls, low: float, high: float, fineness: int = CELLS_PER_LYMAN) -> WavelengthAxis:
        """Return the smallest axis that covers wavelengths ``low`` to ``high`` in Angstrom."""
        step = np.log(4 / 3) / fineness
        first = int(np.floor(np.log(low / LYMAN_ALPHA) / step + 1e-9))
        last = int(np.ceil(np.log(high / LYMAN_ALPHA) / step - 1e-9))
        return cls(first, last - first, fineness)

    def part(self, low: float, high: float) -> slice:
        """Return the slice of the cells that cover ``low`` to ``high``, as far as they are here."""
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
        """Return the index of the cell that holds each wavelength (may lie outside)."""
        offset = np.log(np.asarray(wavelength) / LYMAN_ALPHA) / self.step - self.first
        # The edge itself belongs to the cell below, so that the Lyman-alpha line lies on the
        # side which the intergalactic medium absorbs.
        return np.ceil(offset - 1e-9).astype(int) - 1

    def slice_of(self, part: WavelengthAxis) -> slice:
        """Return the slice of this axis's cells that are those of ``part``."""
        start = part.first - self.first
        if start < 0 or start + part.size > self.size or part.fineness != self.fineness:
            raise IndexError("the part leaves the axis")
        return slice(start, start + part.size)

    def average(self, wavelength: np.ndarray, spectra: np.ndarray) -> np.ndarray:
        """Return the averages over the cells of spectra sampled elsewhere.

        The spectra are taken as linear between their samples and zero beyond them; the
        averages conserve their integrals over λ.

        Parameters
        ----------
        wavelength
            In Angstrom, increasing, [m].
        spectra
            Per unit wavelength, [..., m].

        Returns
        -------
        ndarray
            [..., size]
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
    """Return how many cells lie between the Lyman limit and Lyman alpha at λ/Δλ, rounded up."""
    return int(np.ceil(resolving_power * np.log(4 / 3) - 0.5))
