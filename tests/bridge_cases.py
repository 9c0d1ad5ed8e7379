"""A simulation of a few lines, and a survey of it, for the tests of the bridge."""

import numpy as np
from astropy.table import Table

BANDS = ("u", "g", "r", "i", "k")
FEATURES = ["M_r", "u-r", "g-i", "r-k", "M_k"]
FILTERS = dict(
    zip(BANDS, ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "vista_vircam_Ks"), strict=True)
)


def simulated(n, seed=1, offset=0.0):
    """Return absolute magnitudes [n, 5] and masses: a mass-to-light ratio that goes with colour."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(8, 11.5, n)
    red = rng.uniform(0, 1, n)
    m_r = -2.5 * (log_mass - 1.2 * red - offset) + 4.7
    colours = np.stack([1.0 + 1.5 * red, 0.3 + 0.5 * red, 0 * red, -0.2 - 0.3 * red, -0.5 - red], 1)
    wiggle = rng.normal(0, 0.02, (n, 5))
    return m_r[:, None] + colours + wiggle, log_mass


def simulation_table(n=600, seed=1):
    magnitude, log_mass = simulated(n, seed)
    table = Table({b: magnitude[:, i] for i, b in enumerate(BANDS)})
    table["stellar_mass"] = 10**log_mass
    table["sfr"] = np.where(np.arange(n) % 7 == 0, 0.0, 10 ** (log_mass - 10))
    return table


def survey_table(n=200, seed=2, error=0.02, offset=0.1, scatter=0.05):
    """Return a survey of absolute magnitudes whose masses are off by ``offset``."""
    magnitude, log_mass = simulated(n, seed)
    rng = np.random.default_rng(seed + 100)
    magnitude = magnitude + rng.normal(0, error, magnitude.shape)
    table = Table({b: magnitude[:, i] for i, b in enumerate(BANDS)})
    for b in BANDS:
        table[f"e_{b}"] = error
    table["name"] = [f"g{i}" for i in range(n)]
    table["mass"] = log_mass - offset + rng.normal(0, scatter, n)
    return table


def run_mapping(simulation, survey=None, **changes):
    """Return the run file of a bridge as a mapping."""
    data = {
        "name": "tiny",
        "bands": FILTERS,
        "simulations": [
            {"kind": "table", "file": str(simulation), "columns": {b: b for b in BANDS}}
        ],
        "features": FEATURES,
        "regression": {
            "kind": "single_layer",
            "width": 24,
            "members": 3,
            "epochs": 60,
            "batch": 64,
        },
        "perturbations": 16,
    }
    if survey is not None:
        data["survey"] = {
            "file": str(survey),
            "magnitudes": "absolute",
            "reference": {"log_mass": "mass"},
            "catalogue": {
                "id": "name",
                "unit": "ABmag",
                "columns": {b: {"value": b, "error": f"e_{b}"} for b in BANDS},
            },
        }
    return {**data, **changes}
