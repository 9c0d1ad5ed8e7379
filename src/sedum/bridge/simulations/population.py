"""A galaxy population from a halo mass function and the diffstarpop model of histories.

Haloes grow by diffmah (Hearin et al. 2021). Their galaxies form stars by diffstarpop (Alarcon et
al. 2023), whose distributions are calibrated on IllustrisTNG, on the semi-analytic model
Galacticus, or on UniverseMachine (smdpl). The extra ``sedum[population]`` installs the optional
packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sedum.config.bridge_file import PopulationSimulation
from sedum.errors import SedumError
from sedum.galaxies.cosmology import CosmologyTable

__all__ = ["Population", "draw_population", "draw_redshifts", "lookback_edges"]

#: Cosmic times at which histories are computed, Gyr.
_TIMES = 160
#: Maximum time since infall in Gyr; subhaloes lose mass and gas after infall.
_INFALL = 8.0
#: Minimum ratio of the mass of a host halo to that of a satellite's halo.
_HOST = 3.0


@dataclass(frozen=True)
class Population:
    """Histories of galaxies by lookback time.

    Attributes
    ----------
    edges
        Lookback times in yr, [m + 1].
    rate
        Star-formation rates in Msun/yr, [n, m].
    redshift
        Redshifts, [n].
    properties
        ``halo_mass`` in Msun and ``satellite`` (0 or 1), each [n].
    """

    edges: np.ndarray
    rate: np.ndarray
    redshift: np.ndarray
    properties: dict[str, np.ndarray]


def lookback_edges(oldest: float) -> np.ndarray:
    """Return steps of lookback time in yr to ``oldest``: 0.09 dex, then a quarter of a Gyr."""
    young = np.concatenate([[0, 3e6], np.geomspace(1e7, 1e9, 24)])
    return np.concatenate([young, np.linspace(1e9, oldest, 1 + round((oldest - 1e9) / 2.5e8))[1:]])


def draw_redshifts(
    low: float, high: float, n: int, cosmology: str, rng: np.random.Generator
) -> np.ndarray:
    """Return redshifts that fill the comoving volume, [n]."""
    import astropy.cosmology

    grid = np.linspace(max(low, 1e-3), high, 200)
    volume = getattr(astropy.cosmology, cosmology).comoving_volume(grid).value
    return np.interp(rng.uniform(volume[0], volume[-1], n), volume, grid)


def draw_population(
    spec: PopulationSimulation, at_rest: bool, cosmology: str, seed: int
) -> Population:
    """Draw haloes and the histories of their galaxies.

    Hosts of satellites are drawn in proportion to their mass, and infall times uniformly over
    8 Gyr. This is approximate; diffstarpop itself decides which satellites are quenched.

    Parameters
    ----------
    spec
        Settings of the population.
    at_rest
        Whether galaxies are at redshift 0; if False, their redshifts fill the volume.
    cosmology
        The name of the cosmology.
    seed
        Seed of all draws.

    Raises
    ------
    SedumError
        If the optional packages are absent.
    """
    jax, diffmah, diffstarpop = _packages()
    rng = np.random.default_rng(seed)
    n = spec.galaxies
    table = CosmologyTable(cosmology)
    z = np.zeros(n) if at_rest else draw_redshifts(*spec.redshift, n, cosmology, rng)
    halo = _halo_masses(spec, n, float(np.median(z)), rng)
    today = float(table.age_gyr(np.zeros(1))[0])
    times = np.linspace(0.05, today, _TIMES)
    key_mah, key_sfh = jax.random.split(jax.random.key(seed))
    haloes = diffmah.mc_cenpop(
        diffmah.DEFAULT_DIFFMAHPOP_PARAMS,
        times,
        halo,
        np.full(n, today),
        key_mah,
        np.log10(today),
    )
    satellite, ratio, host, since = _satellites(spec, halo, rng)
    made = diffstarpop.mc_diffstar_sfh_galpop(
        diffstarpop.SIMULATION_FIT_PARAMS[spec.calibration],
        haloes.mah_params,
        np.asarray(haloes.log_mah)[:, -1],
        np.where(satellite, 1, -1),
        ratio,
        host,
        since,
        key_sfh,
        times,
        lgt0=np.log10(today),
        fb=diffstarpop.FB,
    )
    quenched = np.asarray(made.mc_is_q).astype(bool)[:, None]
    rate = np.where(quenched, np.asarray(made.sfh_q), np.asarray(made.sfh_ms)).astype(float)
    edges, rate = _by_lookback(times, rate, table.age_gyr(z), today)
    properties = {"halo_mass": 10.0**halo, "satellite": satellite.astype(float)}
    return Population(edges, rate, z, properties)


def _packages() -> tuple[Any, Any, Any]:
    try:
        import jax
        from diffmah import diffmahpop_kernels
        from diffstar import diffstarpop
        from diffstar.defaults import FB
    except ImportError as error:
        raise SedumError(
            f"simulations.kind: population needs the package {error.name}; "
            "pip install 'sedum[population]'"
        ) from None
    diffstarpop.FB = FB
    return jax, diffmahpop_kernels, diffstarpop


def _halo_masses(
    spec: PopulationSimulation, n: int, redshift: float, rng: np.random.Generator
) -> np.ndarray:
    """Return log10 halo masses in Msun, [n], by a power of Tinker et al.'s (2008) function."""
    try:
        from colossus.cosmology import cosmology as colossus
        from colossus.lss import mass_function
    except ImportError:
        raise SedumError(
            "simulations.kind: population needs the package colossus; "
            "pip install 'sedum[population]'"
        ) from None
    # Otherwise its tables are stored as pickles in the user's home.
    universe = colossus.setCosmology("planck18", persistence="")
    grid = np.linspace(*spec.halo_mass, 200)
    density = mass_function.massFunction(
        10.0**grid * universe.h, redshift, mdef="200m", model="tinker08", q_out="dndlnM"
    )
    weight = np.cumsum(np.concatenate([[0], density[1:] ** spec.flatten]))
    return np.interp(rng.uniform(0, weight[-1], n), weight, grid)


def _satellites(
    spec: PopulationSimulation, halo: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return which are satellites, log mass ratios at infall, log host masses, and Gyr since."""
    n = len(halo)
    satellite = rng.uniform(size=n) < spec.satellites
    # Hosts in proportion to M dn/dlnM, nearly flat in log M below the knee of the mass function.
    lowest = halo + np.log10(_HOST)
    host = rng.uniform(lowest, np.maximum(spec.halo_mass[1], lowest + 0.1))
    since = rng.uniform(0, _INFALL, n)
    return (
        satellite,
        np.where(satellite, halo - host, 0.0),
        np.where(satellite, host, halo),
        np.where(satellite, since, -100.0),
    )


def _by_lookback(
    times: np.ndarray, rate: np.ndarray, now: np.ndarray, today: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn rates [n, t] at cosmic times in Gyr into mean rates by lookback time from ``now``."""
    edges = lookback_edges(today * 1e9)
    step = np.diff(times)
    grown = np.concatenate(
        [np.zeros((len(rate), 1)), np.cumsum((rate[:, 1:] + rate[:, :-1]) / 2 * step, axis=1)], 1
    )
    then = np.clip(now[:, None] - edges / 1e9, times[0], times[-1])
    # Times are evenly spaced: linear interpolation of the mass grown, all galaxies at once.
    at = (then - times[0]) / step[0]
    low = np.minimum(at.astype(int), len(times) - 2)
    fraction = at - low
    mass = np.take_along_axis(grown, low, 1) * (1 - fraction)
    mass += np.take_along_axis(grown, low + 1, 1) * fraction
    formed = np.maximum(mass[:, :-1] - mass[:, 1:], 0) * 1e9
    # No step may reach beyond the Big Bang: what formed in the one that does counts as younger.
    last = np.searchsorted(edges, now * 1e9 * (1 - 1e-6), side="right") - 2
    steps = np.arange(len(edges) - 1)
    beyond = np.where(steps > last[:, None], formed, 0).sum(1)
    formed = np.where(steps > last[:, None], 0, formed)
    formed[np.arange(len(formed)), last] += beyond
    return edges, formed / np.diff(edges)
