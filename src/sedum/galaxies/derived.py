"""Derived quantities: deterministic functions of a galaxy's parameters.

They are computed from posterior draws, never regressed, so they always agree with each other
and with the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from sedum.galaxies.model import GalaxyModel

__all__ = ["DERIVED", "Derived", "derive"]

#: Windows free of strong absorption, in Angstrom (Calzetti, Kinney & Storchi-Bergmann 1994).
UV_WINDOWS = (
    (1268, 1284),
    (1309, 1316),
    (1342, 1371),
    (1407, 1515),
    (1562, 1583),
    (1677, 1740),
    (1760, 1833),
    (1866, 1890),
    (1930, 1950),
    (2400, 2580),
)


@dataclass(frozen=True)
class Derived:
    """Name, unit and description of a derived quantity."""

    name: str
    unit: str
    description: str


DERIVED = (
    Derived("log_mass_surviving", "dex(solMass)", "log10 mass in stars and remnants"),
    Derived("log_sfr_10", "dex(solMass / yr)", "log10 mean star-formation rate of 10 Myr"),
    Derived("log_sfr_100", "dex(solMass / yr)", "log10 mean star-formation rate of 100 Myr"),
    Derived("mass_weighted_age", "Gyr", "mean age of the stars by mass formed"),
    Derived("uv_slope", "", "slope beta of f_lambda, 1268-2580 Å, dust included"),
)

#: Below this no star formation is told apart from none: one star in the age of the Universe.
_LEAST_SFR = 1e-10


def derive(model: GalaxyModel, p: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return each quantity of :data:`DERIVED` for parameters given as columns [n]."""
    universe = model.cosmology.age(p["redshift"])
    recent = torch.tensor([1e7, 1e8], dtype=torch.float64, device=universe.device)
    # At high redshift the Universe may be younger than the window; the mean is over its age.
    window = torch.minimum(recent, universe[:, None])
    formed = model.history.formed_since(window, p, universe)
    mass = 10 ** p["log_mass"]
    sfr = (mass[:, None] * formed / window).clamp(min=_LEAST_SFR)
    surviving = mass * model.surviving_fraction(p)
    columns = {
        "log_mass_surviving": torch.log10(surviving),
        "log_sfr_10": torch.log10(sfr[:, 0]),
        "log_sfr_100": torch.log10(sfr[:, 1]),
        "mass_weighted_age": _mean_age(model, p, universe) / 1e9,
        "uv_slope": _uv_slope(model, p),
    }
    return {name: column.cpu().numpy() for name, column in columns.items()}


def _mean_age(
    model: GalaxyModel, p: dict[str, torch.Tensor], universe: torch.Tensor
) -> torch.Tensor:
    """Return the mass-weighted age in yr: the integral of 1 - G over lookback time."""
    # Points crowd towards the present, where bursts make G steep.
    s = torch.linspace(0, 1, 257, dtype=torch.float64, device=universe.device)
    lookback = s**3 * universe[:, None]
    older = 1 - model.history.formed_since(lookback, p, universe)
    return torch.trapezoid(older, lookback, dim=1)


def _uv_slope(model: GalaxyModel, p: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the least-squares slope of log f_λ against log λ in the windows."""
    centres = model.axis.centres
    span = (centres > UV_WINDOWS[0][0]) & (centres < UV_WINDOWS[-1][1])
    start, stop = np.flatnonzero(span)[[0, -1]]
    cells = slice(int(start), int(stop) + 1)
    inside = np.any([(centres > a) & (centres < b) for a, b in UV_WINDOWS], axis=0)[cells]
    x = np.log(centres[cells])
    x = np.where(inside, x - x[inside].mean(), 0.0)
    weights = torch.from_numpy((x / (x**2).sum()).astype(np.float32)).to(model.device)
    slope = torch.empty(len(p["redshift"]), dtype=torch.float32, device=model.device)
    for rows, light in model.luminosity(p, cells):
        slope[rows] = torch.log(light.clamp(min=1e-35)) @ weights
    return slope.double()
