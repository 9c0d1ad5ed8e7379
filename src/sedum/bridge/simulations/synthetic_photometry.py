"""Synthetic photometry of simulated star-formation histories, in any bands.

The dust depends on the surface density of gas and metals or on the stellar mass, with scatter.
The metallicity of the gas follows the mass-metallicity relation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from sedum import config
from sedum.config.bridge_file import SyntheticPhotometrySettings
from sedum.galaxies.cosmology import CosmologyTable
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.galaxies.model import GalaxyModel
from sedum.photometry.filters import FilterSet
from sedum.photometry.units import flux_to_magnitude

__all__ = [
    "SyntheticPhotometry",
    "gas_metallicity",
    "half_light_radius",
    "mass_attenuation",
    "slab",
]

#: Mass fraction of metals of the Sun and its 12 + log(O/H) (Asplund et al. 2009).
_SOLAR_Z, _SOLAR_OH = 0.0142, 8.69
#: Hydrogen column in 1e21 atoms/cm² of 1 Msun/pc² of gas with helium, and of A_V = 1 mag
#: (Bohlin, Savage & Drake 1978).
_COLUMN, _PER_MAGNITUDE = 0.092, 1.87
#: Minimum cosine of the inclination, because discs are not infinitely thin.
_EDGE_ON = 0.15
#: Galaxies below this log sSFR/yr lose their dust, over half a dex, like spheroids without gas.
_QUENCHED, _OVER = -11.3, 0.25
_MAX_AV = 4.0


def gas_metallicity(log_mass: np.ndarray, redshift: np.ndarray | float) -> np.ndarray:
    """Return log10 of the mass fraction of metals in the gas.

    The mass-metallicity relation of Curti et al. (2020, eq. 2 with their Z0 = 8.793, log M0 =
    10.02, gamma = 0.28, beta = 1.2), lowered by 0.11 dex per unit redshift (Sanders et al. 2021),
    not beyond redshift 4.

    Parameters
    ----------
    log_mass
        log10 stellar mass in Msun.
    redshift
        Of the same shape, or one number.
    """
    ratio = 10.0 ** (-1.2 * (np.asarray(log_mass) - 10.02))
    oh = 8.793 - 0.28 / 1.2 * np.log10(1 + ratio)
    oh = oh - 0.11 * np.minimum(redshift, 4.0)
    return oh - _SOLAR_OH + np.log10(_SOLAR_Z)


def half_light_radius(log_mass: np.ndarray) -> np.ndarray:
    """Return half-light radii of late types in kpc (Shen et al. 2003, eq. 18 and table 1)."""
    mass = 10.0 ** np.asarray(log_mass)
    return 0.1 * mass**0.14 * (1 + mass / 3.98e10) ** (0.39 - 0.14)


def slab(attenuation: np.ndarray) -> np.ndarray:
    """Return the attenuation in mag of stars mixed with dust, given that of a screen of it."""
    tau = np.maximum(np.asarray(attenuation, float), 1e-6) * np.log(10) / 2.5
    return -2.5 * np.log10(-np.expm1(-tau) / tau)


def mass_attenuation(log_mass: np.ndarray) -> np.ndarray:
    """Return the mean A_V of the stars of star-forming galaxies of a mass.

    The attenuation of Hα by Garn & Best (2010), times 0.44 (Calzetti et al. 2000) and A_V/A_Hα =
    1.22.
    """
    x = np.clip(np.asarray(log_mass) - 10.0, -1.5, 1.5)
    return np.maximum(0.91 + 0.77 * x + 0.11 * x**2 - 0.09 * x**3, 0.0) * 0.44 * 1.22


class SyntheticPhotometry:
    """Computes synthetic photometry of tabulated histories with the forward model.

    Parameters
    ----------
    filters
        The bands.
    spec
        Settings of dust, metals and stars.
    redshift
        The maximum redshift of the galaxies.
    cosmology
        The name of the cosmology.
    """

    def __init__(
        self, filters: FilterSet, spec: SyntheticPhotometrySettings, redshift: float, cosmology: str
    ):
        self.spec = spec
        model = config.ModelSettings(
            stellar=spec.stellar,
            history=config.DelayedTauSFH(),  # replaced by the tables
            gas_metallicity="free",
            dust=config.DustSettings(law="charlot_fall"),
            cosmology=cosmology,
        )
        top = max(redshift, 0.01)
        flat: Callable[[float, float], Any] = lambda low, high: config.UniformPrior(  # noqa: E731
            kind="uniform", low=low, high=high
        )
        priors: dict[str, config.AnyPrior] = {
            "redshift": flat(0.0, top),
            "log_mass": flat(4.0, 14.0),
            "av": flat(0.0, _MAX_AV),
            "eta": flat(1.0, 10.0),
            "dust_slope": flat(0.0, 3.0),
            "dust_slope_birth": flat(0.0, 3.0),
        }
        self.model = GalaxyModel(filters, model, priors)
        self.cosmology = CosmologyTable(cosmology)
        self.log_z = self.model.grid.log_z[[0, -1]]

    def enriched(
        self, edges: np.ndarray, rate: np.ndarray, redshift: np.ndarray, rng: np.random.Generator
    ) -> TabulatedHistories:
        """Add the metallicity of forming stars to histories [n, m] with edges [m + 1] in yr.

        Stars form with the metallicity of the gas at the stellar mass that the galaxy had then.
        Each galaxy keeps its offset from the relation.
        """
        formed = rate * np.diff(edges)
        # Mass formed before the middle of each step; about half of it survives.
        before = formed[:, ::-1].cumsum(axis=1)[:, ::-1] - formed / 2
        log_mass = np.log10(np.maximum(0.5 * before, 1e5))
        middle = (edges[1:] + edges[:-1]) / 2
        z_then = self._redshift_then(redshift, middle)
        offset = rng.normal(0, self.spec.metal_scatter, len(rate))[:, None]
        log_z = gas_metallicity(log_mass, z_then) + offset
        return TabulatedHistories(edges, rate, 10 ** self.limited(log_z))

    def limited(self, log_z: np.ndarray) -> np.ndarray:
        """Return log10 metallicities clipped to the range of the stellar grid."""
        return np.clip(log_z, self.log_z[0], self.log_z[1])

    def _redshift_then(self, redshift: np.ndarray, lookback: np.ndarray) -> np.ndarray:
        """Return redshifts [n, m] at lookback times [m] in yr from redshifts [n]."""
        grid = np.geomspace(1, 31, 400) - 1
        age = self.cosmology.age_gyr(grid) * 1e9
        now = self.cosmology.age_gyr(redshift) * 1e9
        then = np.maximum(now[:, None] - lookback, age[-1])
        return np.interp(then, age[::-1], grid[::-1])

    def attenuation(
        self, log_mass: np.ndarray, sfr: np.ndarray, log_z: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return A_V of old stars, [n], with scatter in optical depth and inclination.

        With ``surface_density``, half of the stars form within the half-light radius. The gas
        there follows from the law of Kennicutt (1998), its dust from the metals, and stars and
        dust are mixed. With ``mass``, it is :func:`mass_attenuation`, which fades if star
        formation has ended.
        """
        n = len(log_mass)
        scatter = 10 ** rng.normal(0, self.spec.dust_scatter, n)
        cosine = rng.uniform(_EDGE_ON, 1, n)
        log_ssfr = np.log10(np.maximum(sfr, 1e-12)) - log_mass
        if self.spec.dust == "mass":
            alive = expit((log_ssfr - _QUENCHED) / _OVER)
            # Face-on discs have less dust in the line of sight; the mean over inclinations is kept.
            tilt = slab(1 / cosine) / slab(1 / np.linspace(_EDGE_ON, 1, 200)).mean()
            return np.clip(mass_attenuation(log_mass) * alive * scatter * tilt, 0, _MAX_AV)
        area = np.pi * half_light_radius(log_mass) ** 2
        gas = (np.maximum(0.5 * sfr / area, 1e-12) / 2.5e-4) ** (1 / 1.4)
        metals = 10**log_z / _SOLAR_Z
        face_on = gas * _COLUMN / _PER_MAGNITUDE * metals
        return np.clip(slab(face_on * scatter / cosine), 0, _MAX_AV)

    def compute(
        self, histories: TabulatedHistories, redshift: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Compute the photometry and properties of galaxies.

        Parameters
        ----------
        histories
            Star-formation histories of n galaxies.
        redshift
            Observed redshifts, [n]; 0 for absolute magnitudes.
        rng
            Random generator of dust and inclinations.

        Returns
        -------
        magnitude : ndarray
            AB magnitude less the distance modulus, [n, bands].
        properties : dict
            ``stellar_mass`` (surviving, Msun), ``mass_formed``, ``sfr`` (over 100 Myr, Msun/yr),
            ``metallicity`` (of stars by mass formed, mass fraction), ``gas_metallicity``, ``age``
            (by mass formed, Gyr) and ``av``.
        """
        names = self.model.prior.names
        n = len(histories)
        theta = np.tile(self.model.prior.from_unit(np.full((1, len(names)), 0.5)), (n, 1))
        at = names.index
        theta[:, at("redshift")] = redshift
        derived = self.model.derived(
            theta, ["log_mass_surviving", "log_sfr_100", "mass_weighted_age"], histories
        )
        log_mass, sfr = derived["log_mass_surviving"], 10 ** derived["log_sfr_100"]
        log_z_gas = gas_metallicity(log_mass, redshift)
        log_z_gas = self.limited(log_z_gas + rng.normal(0, self.spec.metal_scatter, n))
        theta[:, at("av")] = self.attenuation(log_mass, sfr, log_z_gas, rng)
        theta[:, at("eta")] = self.spec.birth_clouds
        theta[:, at("dust_slope")] = self.spec.dust_slope
        theta[:, at("dust_slope_birth")] = self.spec.dust_slope
        theta[:, at("log_u")] = self.spec.log_u
        theta[:, at("log_z_gas")] = log_z_gas
        magnitude = flux_to_magnitude(self.model.photometry(theta, histories))
        weight = histories.rate * np.diff(histories.edges) / histories.mass[:, None]
        properties = {
            "stellar_mass": 10**log_mass,
            "mass_formed": histories.mass,
            "sfr": sfr,
            "metallicity": (weight * histories.metallicity).sum(1),
            "gas_metallicity": 10**log_z_gas,
            "age": derived["mass_weighted_age"],
            "av": theta[:, at("av")],
        }
        return magnitude - self.distance_modulus(redshift)[:, None], properties

    def distance_modulus(self, redshift: np.ndarray) -> np.ndarray:
        """Return distance moduli, [n]; 0 at redshift 0, where fluxes are those at 10 pc."""
        return distance_modulus(redshift, self.model.config.cosmology)


def distance_modulus(redshift: np.ndarray, cosmology: str) -> np.ndarray:
    """Return distance moduli in mag, [n]; 0 at redshift 0, NaN below."""
    import astropy.cosmology

    z = np.asarray(redshift, float)
    out = np.zeros(len(z))
    seen = z > 0
    if seen.any():
        out[seen] = getattr(astropy.cosmology, cosmology).distmod(z[seen]).value
    out[z < 0] = np.nan
    return out
