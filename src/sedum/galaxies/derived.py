"""Derived quantities: deterministic functions of a galaxy's parameters.

They are computed from posterior draws, never regressed, so they always agree with each other and
with the parameters. A run file selects them under ``output.derived``. ``N``, ``X``, ``LINE`` and
``FILTER`` stand for a number, a percentage, an emission line and a filter:

========================== ===================================================================
``log_mass_surviving``     log10 mass in living stars, Msun
``log_sfr_N``              log10 mean star-formation rate of the last N Myr, Msun/yr
``log_ssfr_N``             the same per surviving mass
``mass_weighted_age``      mean age of the stars by mass formed, Gyr
``light_weighted_age``     mean age by luminosity at 5500 Å before dust, Gyr
``lookback_tX``            lookback time in Gyr by which X% of the mass had formed
``absmag_FILTER``          absolute AB magnitude in the rest frame, dust included
``colour_A_minus_B``       difference of two such magnitudes
``m_uv``                   absolute AB magnitude at 1450-1550 Å, dust included
``uv_slope``               slope beta of f_lambda, 1268-2580 Å, dust included
``d4000``                  narrow 4000 Å break (Balogh et al. 1999), dust included
``balmer_break``           f_nu at 4000-4100 Å / 3500-3650 Å, dust included
``log_lum_LINE``           log10 luminosity of a line before dust
``log_flux_LINE``          log10 flux of a line after dust, before the intergalactic medium
``ew_LINE``                rest-frame equivalent width in emission, Å
``log_q_ion``              log10 ionising photons per second of the stars in birth clouds
``log_xi_ion``             the same per luminosity density at 1500 Å before dust
``log_l_ir``               log10 luminosity that dust absorbs and emits
========================== ===================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from sedum.config import DEFAULT_DERIVED
from sedum.errors import SedumError, nearest
from sedum.galaxies.axis import LYMAN_LIMIT
from sedum.galaxies.band_averages import BandProjection
from sedum.galaxies.constants import LIGHT_SPEED, SOLAR_LUMINOSITY
from sedum.galaxies.stellar_grids.emission_lines import LINES, line_indices
from sedum.photometry.filters import FilterSet

if TYPE_CHECKING:
    from sedum.galaxies.components.starlight import GalaxyBatch
    from sedum.galaxies.light import GalaxyLight

__all__ = ["DEFAULTS", "Derived", "derived_quantities", "describe_derived"]

DEFAULTS: Sequence[str] = DEFAULT_DERIVED

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

#: Minimum star-formation rate in Msun/yr, one star in the age of the Universe, for logarithms.
_MIN_SFR = 1e-10
#: Minimum luminosity and flux, for logarithms.
_MIN_LIGHT = 1e-35

Compute = Callable[["GalaxyLight", "GalaxyBatch"], torch.Tensor]


@dataclass(frozen=True)
class Derived:
    """Name, unit and description of a derived quantity, and the function that computes it, [n].

    Examples
    --------
    >>> derived_quantities(["log_sfr_100"])[0].unit
    'dex(solMass / yr)'
    """

    name: str
    unit: str
    description: str
    compute: Compute


def derived_quantities(names: Sequence[str]) -> list[Derived]:
    """Return derived quantities by their names.

    Raises
    ------
    SedumError
        If there is no such quantity, line or filter; the message suggests similar names.

    Examples
    --------
    >>> [quantity.name for quantity in derived_quantities(["uv_slope", "ew_Ha"])]
    ['uv_slope', 'ew_Ha']
    """
    return [_quantity(name) for name in names]


def describe_derived(name: str) -> tuple[str, str]:
    """Return the unit and the description of a derived quantity.

    Examples
    --------
    >>> describe_derived("lookback_t50")
    ('Gyr', 'lookback time by which 50% of the mass had formed')
    """
    quantity = _quantity(name)
    return quantity.unit, quantity.description


def _quantity(name: str) -> Derived:
    if name in _PLAIN:
        unit, description, compute = _PLAIN[name]
        return Derived(name, unit, description, compute)
    for pattern, make in _FAMILIES:
        match = re.fullmatch(pattern, name)
        if match:
            unit, description, compute = make(*match.groups())
            return Derived(name, unit, description, compute)
    known = [*_PLAIN, "log_sfr_100", "log_ssfr_100", "lookback_t50", "absmag_sdss_r0", "ew_Ha"]
    raise SedumError(
        f"output.derived: there is no quantity {name!r}{nearest(name, known)}; known: "
        f"{', '.join(known)} and others like them"
    )


# --- mass, star formation, ages ----------------------------------------------------------


def _surviving(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    return galaxies.log_mass + torch.log10(model.starlight.surviving(galaxies.mixture))


def _sfr(model: GalaxyLight, galaxies: GalaxyBatch, window: float) -> torch.Tensor:
    """Return log10 of the mean rate in Msun/yr over the last ``window`` yr."""
    # If the Universe is younger than the window, the mean is over its age.
    since = galaxies.universe.clamp(max=window)[:, None]
    formed = model.formed_since(galaxies, since) / since
    return torch.log10((10**galaxies.log_mass * formed[:, 0]).clamp(min=_MIN_SFR))


def _ssfr(model: GalaxyLight, galaxies: GalaxyBatch, window: float) -> torch.Tensor:
    return _sfr(model, galaxies, window) - _surviving(model, galaxies)


def _mean_age(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    return model.mean_age(galaxies) / 1e9


def _light_age(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    """Return the age in Gyr weighted by stellar light at 5500 Å, with bins at their centres."""
    edges = torch.from_numpy(model.grid.age_edges).to(model.device)
    _, cells = model.rest_axis(5450, 5550)
    bright = torch.from_numpy(model.grid.stellar[:, :, cells].mean(-1)).to(model.device)
    light = galaxies.mixture.stars * bright[galaxies.mixture.nodes]
    middle = (edges[1:] + edges[:-1]).float() / 2e9
    by_age = light.sum(1)
    # The oldest bin extends beyond the Big Bang.
    ages = torch.minimum(middle, galaxies.universe[:, None].float() / 1e9)
    return (by_age * ages).sum(1) / by_age.sum(1)


def _lookback(model: GalaxyLight, galaxies: GalaxyBatch, percent: float) -> torch.Tensor:
    """Return the lookback time in Gyr by which ``percent`` of the mass had formed."""
    low = torch.zeros_like(galaxies.universe)
    high = galaxies.universe.clone()
    for _ in range(50):  # bisection: G is monotone, but need not be smooth
        middle = (low + high) / 2
        late = model.formed_since(galaxies, middle[:, None])[:, 0] < 1 - percent / 100
        low, high = torch.where(late, middle, low), torch.where(late, high, middle)
    return (low + high) / 2e9


# --- light at rest -----------------------------------------------------------------------


def _mean_light(
    model: GalaxyLight, galaxies: GalaxyBatch, low: float, high: float, dust: bool = True
) -> torch.Tensor:
    """Return the mean of λ² L_λ over ln λ in a window: proportional to f_ν, [n]."""
    axis, cells = model.rest_axis(low, high)
    edges = np.clip(axis.edges, low, high)
    weight = np.diff(np.log(edges)) * axis.centres**2 / np.log(high / low)
    weights = torch.from_numpy(weight.astype(np.float32)).to(model.device)
    return _light_sum(model, galaxies, cells, weights, dust)


def _light_sum(
    model: GalaxyLight,
    galaxies: GalaxyBatch,
    cells: slice,
    weights: torch.Tensor,
    dust: bool = True,
) -> torch.Tensor:
    out = torch.empty(len(galaxies.universe), dtype=torch.float64, device=model.device)
    for rows, light in model.emergent.spectra(galaxies, cells, dust):
        out[rows] = (light @ weights).double()
    return out


def _uv_slope(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    """Return the least-squares slope of log f_λ against log λ in the windows."""
    axis, cells = model.rest_axis(UV_WINDOWS[0][0], UV_WINDOWS[-1][1])
    inside = np.any([(axis.centres > a) & (axis.centres < b) for a, b in UV_WINDOWS], axis=0)
    x = np.log(axis.centres)
    x = np.where(inside, x - x[inside].mean(), 0.0)
    weights = torch.from_numpy((x / (x**2).sum()).astype(np.float32)).to(model.device)
    slope = torch.empty(len(galaxies.universe), dtype=torch.float64, device=model.device)
    for rows, light in model.emergent.spectra(galaxies, cells):
        slope[rows] = (torch.log(light.clamp(min=_MIN_LIGHT)) @ weights).double()
    return slope


def _magnitude(model: GalaxyLight, galaxies: GalaxyBatch, f_nu: torch.Tensor) -> torch.Tensor:
    """Return absolute AB magnitudes of means of λ² L_λ / c per solar mass."""
    microjansky = f_nu.clamp(min=_MIN_LIGHT) * model.flux_scale(galaxies, rest=True)
    return 23.9 - 2.5 * torch.log10(microjansky)


def _m_uv(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    light = _mean_light(model, galaxies, 1450, 1550) / LIGHT_SPEED
    return _magnitude(model, galaxies, light)


def _absolute(model: GalaxyLight, galaxies: GalaxyBatch, filters: FilterSet) -> torch.Tensor:
    (band,) = filters
    low, high = model.axis.edges[0], model.axis.edges[-1]
    if band.limits[0] < low or band.limits[1] > high:
        raise SedumError(
            f"output.derived: {band.name} ({band.limits[0]:.0f}-{band.limits[1]:.0f} Å) leaves "
            f"the spectra, which cover {low:.0f} to {high:.3g} Å at rest"
        )
    axis, cells = model.rest_axis(*band.limits)
    projection = BandProjection(filters, axis).to(model.device)
    out = torch.empty(len(galaxies.universe), dtype=torch.float64, device=model.device)
    for rows, light in model.emergent.spectra(galaxies, cells):
        at_rest = torch.zeros(len(rows), dtype=torch.float64, device=model.device)
        out[rows] = projection(light, at_rest)[:, 0].double()
    return _magnitude(model, galaxies, out)


def _colour(
    model: GalaxyLight, galaxies: GalaxyBatch, blue: FilterSet, red: FilterSet
) -> torch.Tensor:
    return _absolute(model, galaxies, blue) - _absolute(model, galaxies, red)


def _break(
    model: GalaxyLight, galaxies: GalaxyBatch, red: tuple[int, int], blue: tuple[int, int]
) -> torch.Tensor:
    return _mean_light(model, galaxies, *red) / _mean_light(model, galaxies, *blue)


# --- gas, ionising photons, dust ---------------------------------------------------------


def _require_gas(model: GalaxyLight, what: str) -> None:
    if not model.config.nebular:
        raise SedumError(f"output.derived: {what} needs model.nebular: true")


def _line(model: GalaxyLight, galaxies: GalaxyBatch, line: str) -> tuple[torch.Tensor, list[int]]:
    """Return the luminosities of a line's members before dust in Lsun/Msun, [n, members]."""
    _require_gas(model, f"the line {line}")
    which = line_indices(line, model.grid.line_names, model.grid.line_wavelengths)
    if not which:
        raise SedumError(f"output.derived: the grid {model.grid.name!r} has no line {line}")
    return model.starlight.lines(galaxies.mixture, which).double(), which


def _screen(
    model: GalaxyLight, galaxies: GalaxyBatch, which: list[int], clouds: bool
) -> torch.Tensor:
    """Return the transmission of dust at lines, [n, members]."""
    if model.emergent.line_attenuation is None:
        return torch.ones(1, len(which), dtype=torch.float64, device=model.device)
    diffuse, extra = model.emergent.line_attenuation.depths(galaxies.p)
    depth = diffuse.expand(len(galaxies.universe), -1)[:, which]
    if clouds and extra is not None:
        depth = depth + extra.expand(len(galaxies.universe), -1)[:, which]
    return torch.exp(-depth.double())


def _line_luminosity(model: GalaxyLight, galaxies: GalaxyBatch, line: str) -> torch.Tensor:
    bright = _line(model, galaxies, line)[0].sum(1) * SOLAR_LUMINOSITY
    return galaxies.log_mass + torch.log10(bright.clamp(min=_MIN_LIGHT))


def _line_flux(model: GalaxyLight, galaxies: GalaxyBatch, line: str) -> torch.Tensor:
    bright, which = _line(model, galaxies, line)
    seen = (bright * _screen(model, galaxies, which, clouds=True)).sum(1) * SOLAR_LUMINOSITY
    # The scale to µJy, without the factor (1 + z) of bandwidths and without the units.
    scale = model.flux_scale(galaxies) * (1 + galaxies.p["redshift"]) / SOLAR_LUMINOSITY / 1e29
    return torch.log10((seen * scale).clamp(min=1e-60))


def _equivalent_width(model: GalaxyLight, galaxies: GalaxyBatch, line: str) -> torch.Tensor:
    """Return the equivalent width: line over continuum.

    The stellar continuum is from both sides of the line, the nebular continuum at the line.
    """
    bright, which = _line(model, galaxies, line)
    bright = bright * _screen(model, galaxies, which, clouds=True)
    centre = float(np.mean(model.grid.line_wavelengths[which]))
    sides = [(0.985 * centre, 0.992 * centre), (1.008 * centre, 1.015 * centre)]
    gas_free = torch.zeros(len(galaxies.universe), dtype=torch.float64, device=model.device)
    for low, high in sides:
        _, cells = model.rest_axis(low, high)
        gas_free += model.emergent.stellar_continuum(galaxies, cells) / 2
    beneath = model.starlight.lines(galaxies.mixture, which, continuum=True).double()
    beneath = (beneath * _screen(model, galaxies, which, clouds=True)).mean(1)
    return bright.sum(1) / (gas_free + beneath).clamp(min=_MIN_LIGHT)


def _ionising(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    photons = model.starlight.ionising(galaxies.mixture).clamp(min=1.0)
    return galaxies.log_mass + torch.log10(photons)


def _xi_ion(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    light = _mean_light(model, galaxies, 1450, 1550, dust=False) / LIGHT_SPEED
    density = torch.log10((light * SOLAR_LUMINOSITY).clamp(min=_MIN_LIGHT))
    return _ionising(model, galaxies) - galaxies.log_mass - density


def _infrared(model: GalaxyLight, galaxies: GalaxyBatch) -> torch.Tensor:
    _, cells = model.rest_axis(LYMAN_LIMIT, 5e4)
    lost = model.emergent.absorbed(galaxies, cells).double()
    return galaxies.log_mass + torch.log10(lost.clamp(min=_MIN_LIGHT))


_LINE_KEYS = "|".join(LINES)
_PLAIN: dict[str, tuple[str, str, Compute]] = {
    "log_mass_surviving": ("dex(solMass)", "log10 mass in living stars", _surviving),
    "mass_weighted_age": ("Gyr", "mean age of the stars by mass formed", _mean_age),
    "light_weighted_age": ("Gyr", "mean age of the stars by light at 5500 Å", _light_age),
    "m_uv": ("mag", "absolute AB magnitude at 1450-1550 Å, dust included", _m_uv),
    "uv_slope": ("", "slope beta of f_lambda, 1268-2580 Å, dust included", _uv_slope),
    "d4000": (
        "",
        "narrow 4000 Å break (Balogh et al. 1999)",
        partial(_break, red=(4000, 4100), blue=(3850, 3950)),
    ),
    "balmer_break": (
        "",
        "f_nu at 4000-4100 Å / 3500-3650 Å",
        partial(_break, red=(4000, 4100), blue=(3500, 3650)),
    ),
    "log_q_ion": ("dex(1 / s)", "log10 ionising photons of stars in birth clouds", _ionising),
    "log_xi_ion": ("dex(Hz / erg)", "log10 ionising photons per L_nu at 1500 Å", _xi_ion),
    "log_l_ir": ("dex(solLum)", "log10 luminosity absorbed and emitted by dust", _infrared),
}


def _windowed(kind: str, number: str) -> tuple[str, str, Compute]:
    window = float(number) * 1e6
    if kind == "log_sfr":
        unit, text = "dex(solMass / yr)", "log10 mean star-formation rate of"
        return unit, f"{text} {number} Myr", partial(_sfr, window=window)
    text = "log10 mean star-formation rate per surviving mass of"
    return "dex(1 / yr)", f"{text} {number} Myr", partial(_ssfr, window=window)


def _assembly(percent: str) -> tuple[str, str, Compute]:
    text = f"lookback time by which {percent}% of the mass had formed"
    return "Gyr", text, partial(_lookback, percent=float(percent))


def _in_filter(name: str) -> tuple[str, str, Compute]:
    filters = FilterSet.from_names([name])
    return "mag", f"absolute AB magnitude in {name}", partial(_absolute, filters=filters)


def _in_filters(blue: str, red: str) -> tuple[str, str, Compute]:
    sets = [FilterSet.from_names([name]) for name in (blue, red)]
    return "mag", f"colour {blue} - {red} at rest", partial(_colour, blue=sets[0], red=sets[1])


def _of_line(kind: str, line: str) -> tuple[str, str, Compute]:
    match kind:
        case "log_lum":
            text = f"log10 luminosity of {line} before dust"
            return "dex(erg / s)", text, partial(_line_luminosity, line=line)
        case "log_flux":
            text = f"log10 flux of {line} after dust"
            return "dex(erg / (s cm2))", text, partial(_line_flux, line=line)
    text = f"rest-frame equivalent width of {line} in emission"
    return "Angstrom", text, partial(_equivalent_width, line=line)


_FAMILIES: list[tuple[str, Callable[..., tuple[str, str, Compute]]]] = [
    (r"(log_sfr|log_ssfr)_([1-9]\d*(?:\.\d+)?)", _windowed),
    (r"lookback_t([1-9]\d?)", _assembly),
    (r"absmag_(\w+)", _in_filter),
    (r"colour_(\w+)_minus_(\w+)", _in_filters),
    (rf"(log_lum|log_flux|ew)_({_LINE_KEYS})", _of_line),
]
