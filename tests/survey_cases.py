"""A catalogue as a user has it: magnitudes of SDSS and 2MASS, with ordinary names of columns."""

from functools import lru_cache

import numpy as np
from astropy.table import Table

from sedum.config import parse_run
from sedum.galaxies.model import GalaxyModel

SDSS = [f"sdss_{b}0" for b in "ugriz"]
TWOMASS = ["twomass_J", "twomass_H", "twomass_Ks"]
#: 5-sigma depths of extended sources, AB mag.
_DEPTH = np.array([22.0, 23.2, 22.9, 22.3, 20.8, 18.0, 17.4, 17.2])
_LIMIT = 17.77


@lru_cache
def _galaxies(n, seed):
    """Return fluxes in µJy [n, bands], errors and redshifts of galaxies brighter than the limit."""
    run = parse_run(
        {
            "filters": SDSS + TWOMASS,
            "noise": {"kind": "depths", "depths": dict.fromkeys(SDSS + TWOMASS, 22.0)},
            "priors": {
                "redshift": {"kind": "uniform", "low": 0.01, "high": 0.35},
                "log_mass": {"kind": "uniform", "low": 9, "high": 11.6},
                "log_ssfr": {"kind": "uniform", "low": -12, "high": -9},
            },
        }
    )
    model, rng = GalaxyModel.from_run(run), np.random.default_rng(seed)
    theta = model.prior.sample(40 * n, rng)
    flux = model.photometry(theta).astype(float)
    magnitude = 23.9 - 2.5 * np.log10(flux[:, 2])
    some = np.flatnonzero((magnitude < _LIMIT) & (magnitude > 14))[:n]
    assert len(some) == n
    flux = flux[some]
    sky = 10 ** (0.4 * (23.9 - _DEPTH)) / 5 * rng.lognormal(0, 0.15, flux.shape)
    error = np.hypot(sky, 0.012 * flux * rng.lognormal(0, 0.2, flux.shape))
    return flux + error * rng.standard_normal(flux.shape), error, theta[some, 0]


def survey_table(n=300, seed=5, optical="petroMag_{}", optical_error="petroMagErr_{}"):
    """Return a table of magnitudes; one galaxy in ten is not in 2MASS."""
    flux, error, redshift = _galaxies(n, seed)
    rng = np.random.default_rng(seed)
    magnitude = 23.9 - 2.5 * np.log10(np.maximum(flux, 1e-3))
    spread = 1.0857 * error / np.maximum(flux, 1e-3)
    table = Table({"objid": 1237650000 + np.arange(n), "ra": rng.uniform(150, 160, n)})
    table["dec"] = rng.uniform(0, 5, n)
    for i, band in enumerate("ugriz"):
        table[optical.format(band)] = magnitude[:, i].round(3)
        table[optical_error.format(band)] = spread[:, i].round(4)
    absent = rng.uniform(size=n) < 0.1
    # 2MASS gives Vega magnitudes: Blanton & Roweis (2007) have these AB magnitudes of Vega.
    for i, (band, vega) in enumerate(zip("jhk", (0.91, 1.39, 1.85), strict=True)):
        missing = absent | (spread[:, 5 + i] > 0.3)
        table[f"{band}_m"] = np.where(missing, np.nan, (magnitude[:, 5 + i] - vega).round(3))
        table[f"{band}_msigcom"] = np.where(missing, np.nan, spread[:, 5 + i].round(3))
    table["z_spec"] = redshift.round(5)
    return table
