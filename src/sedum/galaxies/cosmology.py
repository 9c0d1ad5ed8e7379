"""Distances and ages as differentiable functions of redshift."""

from __future__ import annotations

from functools import cache

import astropy.cosmology
import numpy as np
import torch
from astropy import units

__all__ = ["MAX_REDSHIFT", "CosmologyTable"]

MAX_REDSHIFT = 20.0
_POINTS = 8001


@cache
def _tables(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return luminosity distance in cm and age in yr at points equally spaced in ln(1+z)."""
    cosmology = getattr(astropy.cosmology, name)
    z = np.expm1(np.linspace(0, np.log1p(MAX_REDSHIFT), _POINTS))
    z[-1] = MAX_REDSHIFT
    distance = cosmology.luminosity_distance(z).to_value(units.cm)
    return distance, cosmology.age(z).to_value(units.yr)


class CosmologyTable:
    """Luminosity distance and age of the Universe, interpolated in ln(1+z).

    Parameters
    ----------
    name
        Name of a cosmology in astropy, such as ``"Planck18"``.

    Examples
    --------
    >>> cosmology = CosmologyTable("Planck18")
    >>> cosmology.age_gyr(np.array([0.0, 1.0])).round(2)
    array([13.79,  5.85])
    """

    def __init__(self, name: str = "Planck18"):
        self.name = name
        distance, age = _tables(name)
        self._distance = torch.from_numpy(distance)
        self._age = torch.from_numpy(age)
        self._step = float(np.log1p(MAX_REDSHIFT) / (_POINTS - 1))

    def _interpolate(self, table: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        at = torch.log1p(z.double()) / self._step
        i = at.detach().floor().long().clamp(0, _POINTS - 2)
        table = table.to(z.device)
        return torch.lerp(table[i], table[i + 1], at - i)

    def luminosity_distance(self, z: torch.Tensor) -> torch.Tensor:
        """Return the luminosity distance in cm, [n]."""
        return self._interpolate(self._distance, z)

    def age(self, z: torch.Tensor) -> torch.Tensor:
        """Return the age of the Universe in yr, [n]."""
        return self._interpolate(self._age, z)

    def age_gyr(self, z: np.ndarray) -> np.ndarray:
        """Return the age of the Universe in Gyr at redshifts [n], as an array for priors."""
        return self.age(torch.as_tensor(np.asarray(z, float))).numpy() / 1e9
